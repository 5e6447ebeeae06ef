"""Tasks on all nodes of a Ray cluster: one agent to a node, a local executor within each.

    RayExecutor ── Fleet (a thread) ──┬── Agent (an actor) ── LocalExecutor ── workers   node 1
    the process that sweeps           ├── Agent            ── LocalExecutor ── workers   node 2
                                      └── …

What Ray does is to place agents, to carry tasks and outcomes, and to say what died. Whatever concerns a
single run (timeouts, limits of memory, retries, output, isolation) is the local executor's, once for both.
"""
