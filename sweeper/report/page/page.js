// Puts the sections into the page.

function representations(found) {
  if (!found.length) return null;
  let chosen = 0, layer = 0;
  const tools = element('div', { class: 'tools' });
  const node = chart(() => {
    const { layers, labels, are_classes: named } = found[chosen], { points, explained } = layers[layer];
    const classes = [...new Set(labels)].sort((a, b) => a - b);
    const few = named && classes.length <= 20;
    const axis = (index) => ({ title: { text: `PC ${index + 1} (${(100 * explained[index]).toFixed(0)}%)` }, gridcolor: colour('line'), color: colour('ink') });
    const part = (indices, extra) => ({
      type: 'scatter3d', mode: 'markers', x: indices.map((i) => points[i][0]), y: indices.map((i) => points[i][1]), z: indices.map((i) => points[i][2]), ...extra,
    });
    const all = labels.map((_, index) => index);
    const traces = few ? classes.map((one, index) => part(all.filter((i) => labels[i] === one), { name: String(one), marker: { size: 3, color: PALETTE[index % PALETTE.length], symbol: index < PALETTE.length ? 'circle' : 'diamond' } }))
      : [part(all, { marker: { size: 3, color: labels, colorscale: 'Viridis', showscale: true } })];
    return { traces, layout: { scene: { xaxis: axis(0), yaxis: axis(1), zaxis: axis(2) }, showlegend: few, margin: { l: 0, r: 0, t: 10, b: 0 } } };
  }, 'cube');
  function choose() {
    tools.replaceChildren(chooser('architecture', found.map((one) => one.name), chosen, (index) => { chosen = index; layer = 0; choose(); redraw(node); }),
      chooser('layer', found[chosen].layers.map((one) => one.name), layer, (index) => { layer = index; redraw(node); }));
  }
  choose();
  const skipped = found.flatMap((one) => one.skipped.map((text) => `${one.name}: ${text}`));
  return section('representations', 'What the layers make of the data',
    'Activations on validation data, of the best trial, along their first three principal components; colours are classes (or targets).', tools, node,
    skipped.length ? element('p', { class: 'explain' }, `Not shown: ${skipped.join('; ')}.`) : null);
}

function failures(data) {
  const failed = data.rows.filter((row) => row.error);
  if (!failed.length) return null;
  return section('failures', 'Failures', `${failed.length} of ${data.rows.length} architectures failed and are not compared.`,
    element('ul', {}, failed.map((row) => element('li', {}, element('a', { href: `#architecture-${row.rank}` }, row.name), `: ${row.error.text}`))));
}

function reproduce(data) {
  const { settings, commands, note, ...told } = data.reproduce;
  return section('reproduce', 'How to reproduce', note,
    commands.length ? element('pre', {}, commands.join('\n')) : null, facts(told), element('h3', {}, 'Settings of tuning and training'), facts(settings));
}

// The overview by another metric: what it says of the rows takes the place of what is there.
const seenBy = (data, view) => ({
  ...data, ...view, rows: data.rows.map((row, index) => ({ ...row, ...view.rows[index], place: view.order.indexOf(index) + 1 })),
});

const words = (data, row) => [row.name, ...data.columns.map((name, i) => `${name}=${row.cells[i]}`), ...data.nuisance.map((name, i) => `${name}=${row.nuisance[i]}`), ...row.shown_flags, data.commands.length ? `command=${row.command || ''}` : '', row.error ? 'failed' : '', row.first ? 'first' : '', row.comparable ? '' : 'not comparable'];

async function showSections(data, placed) {
  const looked = representations(await unpack('representations')); // the rest is done at once
  data.rows.forEach((row) => { row.searched = words(data, row).join(' ').toLowerCase(); });
  const compared = data.rows.filter((_, index) => placed[index]);
  document.getElementById('answer').replaceChildren(element('b', {}, data.headline), data.answer.slice(data.headline.length));
  document.getElementById('notes').replaceChildren(...data.notes.map((text) => element('p', {}, text)));
  const list = architectures(data);
  const sections = [
    leaderBoard(data, list.show), parameters(data), failures(data), data.axes.length && compared.length > 1 ? byParameter(data, compared) : null, influence(data),
    data.axes.length > 1 ? heatMap(data) : null, parallel(data, compared), compared.length ? againstCost(data, compared) : null,
    looked, list.node, reproduce(data),
  ].filter(Boolean);
  document.getElementById('main').replaceChildren(...sections);
  document.getElementById('contents').replaceChildren(...sections.map((one) => element('a', { href: `#${one.id}` }, one.querySelector('h2').textContent)));
  return list;
}

// Which metric to look at.
function metrics(data, placed) {
  const say = ({ metric }) => (metric.is_objective ? `${metric.objective} is the objective: learning rates were tuned by it.` : `Learning rates were tuned by ${metric.objective}, the objective.`);
  const note = element('span', { class: 'explain' }, say(data));
  const first = data.metrics.indexOf(data.metric.name);
  const names = data.metrics.map((name) => (name === data.metric.objective ? `${name} (objective)` : name));
  document.getElementById('metric').append(chooser('metric', names, first, async (index) => {
    const view = (await unpack('views')).find((one) => one.metric.name === data.metrics[index]);
    const chosen = view ? seenBy(data, view) : data;
    charts.clear();
    note.textContent = say(chosen);
    await showSections(chosen, placed);
  }), note);
}

async function show() {
  const data = read('overview');
  data.rows.forEach((row, index) => { row.rank = row.place = index + 1; });
  const placed = data.rows.map((row) => !row.error && row.trials.length > 0); // of which there are places along axes
  document.getElementById('kind').textContent = `Architectures compared, each at its own ${listed(['learning rate', 'batch size', ...(haveOwnLengths(data) ? ['length of training'] : []), ...data.nuisance])}`;
  document.getElementById('title').textContent = data.title;
  const flagged = data.rows.filter((row) => row.flags.length).length, failed = data.rows.filter((row) => row.error).length;
  const told = { architectures: data.rows.length, trials: data.rows.reduce((sum, row) => sum + row.trials.length, 0), flagged, failed, preset: data.reproduce.preset, seed: data.reproduce.seed };
  document.getElementById('facts').append(...Object.entries(told).map(([name, value]) => element('li', {}, ...(['preset', 'seed'].includes(name) ? [`${name} `, element('b', {}, String(value))] : [element('b', {}, String(value)), ` ${name}`]))));
  metrics(data, placed);
  (await showSections(data, placed)).reveal();
}
show();
