// For each architecture: how it was tuned, how its trials went, what is suspicious.

// What a course is of: `perf_val`, `loss_train`, `f1_val`.
function courseName(data, key) {
  const split = key.slice(key.lastIndexOf('_') + 1), kind = key.slice(0, key.lastIndexOf('_'));
  return `${split === 'val' ? 'validation' : 'training'} ${kind === 'perf' ? data.metric.objective : kind}`;
}
const FEW = 50;
let allDetails = null;
const detailsOf = async (row) => (await (allDetails = allDetails || unpack('details')))[row.rank - 1];

const chosenRange = (tuning, name) => ({
  type: 'rect', xref: name, yref: 'paper', x0: tuning.lr_min, x1: tuning.lr_max, y0: 0, y1: 1, fillcolor: colour('first'), opacity: 0.16, line: { width: 0 },
});
// What the loss rises to in the end would hide where it falls.
function lossRange(losses) {
  const finite = losses.filter((loss) => loss !== null);
  if (!finite.length) return undefined;
  const first = finite[0], low = Math.min(...finite), high = first + Math.max(0.5 * (first - low), 0.1 * Math.abs(first));
  return [low - 0.1 * (high - low), high];
}
const lrAxis = (text) => ({ type: 'log', exponentformat: 'power', dtick: innerWidth < 600 ? 2 : 1, tickangle: 0, title: { text } });

function rangeTest(data, tuning) {
  return chart(() => ({
    traces: [
      { name: 'loss', x: tuning.lrs, y: tuning.loss, mode: 'lines', line: { color: PALETTE[1], width: 2 } },
      ...(tuning.perf.length ? [{ name: data.metric.objective, x: tuning.lrs, y: tuning.perf, mode: 'lines', yaxis: 'y2', line: { color: PALETTE[0], width: 2 } }] : []),
    ],
    layout: {
      xaxis: lrAxis('learning rate'), yaxis: { title: { text: 'training loss' }, range: lossRange(tuning.loss) },
      yaxis2: { title: { text: label(`training ${data.metric.objective}`) }, overlaying: 'y', side: 'right', showgrid: false, tickmode: 'auto', nticks: 5 }, shapes: [chosenRange(tuning, 'x')],
      margin: { l: 55, r: 55, t: 34, b: 45 },
    },
  }), 'low');
}

function candidates(data, tuning) {
  const table = tuning.candidates;
  const names = Object.keys(tuning.nuisance), columns = names.map((name) => table[`nuisance_${name}`] || []);
  const groups = new Map(), named = new Set();
  table.lr.forEach((_, index) => {
    const key = JSON.stringify([table.round[index], table.batch_size[index], ...columns.map((column) => column[index])]);
    groups.set(key, [...(groups.get(key) || []), index]);
  });
  const nuisance = (index) => names.map((name, i) => `, ${label(`${name} ${columns[i][index]}`)}`).join('');
  const sizes = [...new Set(table.batch_size)].sort((a, b) => a - b);
  return chart(() => ({
    traces: [...groups.values()].map((group) => {
      const [round, size] = [table.round[group[0]], table.batch_size[group[0]]];
      group.sort((a, b) => table.lr[a] - table.lr[b]);
      const name = `round ${round + 1}, batch ${size}`;
      const shade = PALETTE[sizes.indexOf(size) % PALETTE.length];
      return {
        name, legendgroup: name, showlegend: !named.has(name) && Boolean(named.add(name)), x: group.map((i) => table.lr[i]), y: group.map((i) => table.perf[i]), mode: 'lines+markers',
        marker: { symbol: SYMBOLS[round % SYMBOLS.length], size: 7 + 2 * round, color: shade }, line: { color: shade, width: 1, dash: round ? 'solid' : 'dot' },
        text: group.map((i) => `${table.steps[i]} steps, batch size ${size}${nuisance(i)}, loss ${number(table.loss[i])}`), hoverinfo: 'text+x+y',
      };
    }),
    layout: { xaxis: lrAxis('highest learning rate of the cycle'), yaxis: { title: { text: `${label(data.metric.objective)}<br>on ${label(tuning.scored_on)}` }, autorange: data.objective_higher ? true : 'reversed' }, shapes: [chosenRange(tuning, 'x')] },
  }), 'low');
}

const captioned = (caption, figure) => element('figure', {}, element('figcaption', {}, caption), figure);

function courses(data, training) {
  const names = Object.keys(training.courses);
  let chosen = Math.max(0, names.indexOf(`${data.metric.key}_val`));
  const node = chart(() => {
    const course = training.courses[names[chosen]], epochs = training.epochs;
    const inside = course.low.map((low, index) => (low === null ? null : index)).filter((index) => index !== null);
    const traces = course.trials.map((trial, index) => ({
      name: `trial ${index}`, x: epochs, y: trial, mode: 'lines', line: { color: colour('faint'), width: 1 }, opacity: 0.6, showlegend: false,
    }));
    if (inside.length) {
      traces.unshift({
        name: '95% interval', x: [...inside, ...[...inside].reverse()].map((index) => epochs[index]), hoverinfo: 'skip', mode: 'lines', line: { width: 0 },
        y: [...inside.map((index) => course.high[index]), ...[...inside].reverse().map((index) => course.low[index])], fill: 'toself', fillcolor: colour('band'),
      });
    }
    traces.push({ name: 'mean', x: epochs, y: course.mean, mode: epochs.length < 2 ? 'markers' : 'lines+markers', line: { color: colour('accent'), width: 3 }, marker: { size: 5 } });
    return { traces, layout: { xaxis: { title: { text: 'epoch' } }, yaxis: { title: { text: label(courseName(data, names[chosen])) } } } };
  }, 'low');
  return [element('div', { class: 'tools' }, chooser('of each trial', names.map((name) => courseName(data, name)), chosen, (index) => { chosen = index; redraw(node); })), node];
}

function trialsTable(trials) {
  const names = Object.keys(trials[0]).filter((name) => trials.some((trial) => trial[name] !== null));
  const show = (value) => (value === null ? '' : typeof value === 'number' && !Number.isInteger(value) ? number(value, 5) : String(value));
  return scrolled(
    element('thead', {}, element('tr', {}, names.map((name) => element('th', { scope: 'col' }, name)))),
    element('tbody', {}, trials.map((trial) => element('tr', {}, names.map((name) => element('td', {}, show(trial[name])))))));
}

function facts(pairs) {
  return element('dl', {}, Object.entries(pairs).filter(([, value]) => value !== null && value !== undefined && value !== '').flatMap(([name, value]) => [
    element('dt', {}, name), element('dd', {}, typeof value === 'object' ? Object.entries(value).map(([key, one]) => `${key} ${one}`).join(', ') : String(value))]));
}

function failure(error) {
  return [element('p', { class: 'bad' }, `Failed: ${error.text}`),
    error.traceback ? element('pre', {}, error.traceback) : null,
    error.output ? [element('h3', {}, 'The last it printed'), element('pre', {}, error.output)] : null].flat();
}

async function closer(data, row) {
  const { tuning, training, settings, tunings, trials } = await detailsOf(row);
  const parts = [];
  if (row.error) parts.push(...failure(row.error));
  const which = { unread: tuning ? tuning.unread.join(', ') : '' };
  for (const flag of row.flags) {
    parts.push(element('p', {}, element('b', { class: 'flag' }, flag), `: ${data.flags[flag] || ''}${which[flag] ? ` (${which[flag]})` : ''}`));
  }
  if (tuning) {
    const nuisance = Object.entries(tuning.nuisance);
    parts.push(element('h3', {}, `How ${listed(['learning rate', 'batch size', ...nuisance.map(([name]) => name)])} were chosen`), element('p', {}, tuning.why + (tuning.probability_best === null ? '' : `. The probability that this candidate is the best of its round is ${number(tuning.probability_best)}.`)),
      element('p', { class: 'explain' }, `Shaded: the learning rates of the trials, ${number(tuning.lr_min)} to ${number(tuning.lr_max)}, at batch size ${tuning.batch_size}${nuisance.map(([name, value]) => `, ${name} ${value}`).join('')}, for ${number(tuning.epochs)} epoch${tuning.epochs === 1 ? '' : 's'}.${tuning.note ? ` ${tuning.note}` : ''}` +
        (tuning.scored_on === 'held-out training data' ? ' Candidates were scored on training data that they were not trained on.' : '') +
        (nuisance.length ? ' Those that differ in more than the learning rate are not joined.' : '') +
        (tuning.budget === null ? '' : ` Tuning took the samples of ${number(tuning.budget)} trials of the full length.`)),
      element('div', { class: 'pair' }, tuning.lrs.length ? captioned('Range test', rangeTest(data, tuning)) : null, tuning.candidates.lr ? captioned('Candidates, trained briefly and compared', candidates(data, tuning)) : null));
  }
  if (tunings.length) {
    parts.push(element('h3', {}, `Its ${tunings.length} tunings`), ...trialsTable(tunings),
      element('p', { class: 'explain' }, 'Trials take turns in them. What is above is of the first.'));
  }
  if (training.epochs.length) parts.push(element('h3', {}, 'How its trials went'), ...courses(data, training));
  if (trials.length) parts.push(...trialsTable(trials));
  if (trials.some((trial) => trial.best_val !== null)) parts.push(element('p', { class: 'explain' }, 'perf_… are final scores. best_val is the best at the end of a cycle, at best_epoch: it is optimistic, since it is the best of many.'));
  if (settings) parts.push(element('h3', {}, 'Settings'), facts({ ...settings, ...Object.fromEntries(Object.entries(tuning.steps).map(([name, kinds]) => [`steps of ${name}`, [].concat(kinds).join('; ')])) }));
  return parts;
}

function architectures(data) {
  const nodes = data.rows.map((row) => {
    const node = element('details', { class: 'architecture', id: `architecture-${row.rank}`, ontoggle: () => open(row, node) },
      element('summary', {}, `${row.rank}. ${row.name} `, element('small', {}, row.error ? 'failed' : interval(row.perf))));
    return node;
  });
  const filled = new Set();
  async function open(row, node) {
    if (!node.open || filled.has(row)) return;
    filled.add(row);
    node.append(...(await closer(data, row)).filter(Boolean));
  }
  let kept = new Set(data.rows), most = FEW;
  const more = element('button', { class: 'more', type: 'button', onclick: () => { most = Infinity; show(kept); } });
  function show(rows) {
    kept = rows;
    let shown = 0;
    data.rows.forEach((row, index) => { nodes[index].hidden = !rows.has(row) || ++shown > most; });
    more.hidden = shown <= most;
    more.textContent = `Show all ${shown}`;
  }
  function reveal() {
    const node = nodes.find((one) => `#${one.id}` === location.hash);
    if (!node) return;
    node.hidden = false;
    node.open = true;
    node.scrollIntoView();
  }
  addEventListener('hashchange', reveal);
  show(kept);
  if (nodes.length) nodes[0].open = true;
  const found = section('architectures', 'Each architecture', 'How it was tuned, how its trials went, and what is suspicious about it. The search above applies here, too.', nodes, more);
  found.classList.add('long');
  return { node: found, show, reveal };
}
