// The leader board: sortable and searchable.

const FEW_LINES = 100;

function strip(row, scale) {
  const at = (value) => Math.min(150, Math.max(0, 150 * (scale.sign * value - scale.low) / (scale.high - scale.low || 1)));
  if (!row.trials.some((trial) => trial !== null)) return '';
  const told = `${row.name}: mean ${interval(row.perf)}; trials ${row.trial_texts.join(', ')}`;
  const strip = drawn('svg', { class: 'strip', viewBox: '0 0 150 18', preserveAspectRatio: 'none', role: 'img', 'aria-label': told },
    drawn('title', {}, told));
  for (const trial of row.trials.filter((trial) => trial !== null).slice(0, 40)) strip.append(drawn('circle', { class: 'trial', cx: at(trial), cy: 9, r: 2 }));
  if (row.perf.low !== null) {
    strip.append(drawn('line', { class: 'range', x1: at(row.perf.low), x2: at(row.perf.high), y1: 9, y2: 9 }));
  }
  if (row.perf.mean !== null) strip.append(drawn('circle', { class: 'mean', cx: at(row.perf.mean), cy: 9, r: 4 }));
  return strip;
}

// From what most trials reach to the best, so that a diverged one does not squeeze the others.
function scaleOf(rows, { higher }) {
  const sign = higher ? 1 : -1; // the best are right
  const all = rows.flatMap((row) => [...row.trials, row.perf.low, row.perf.high]).filter((v) => v !== null && v !== undefined).map((v) => sign * v);
  all.sort((a, b) => a - b);
  if (!all.length) return { low: 0, high: 1, sign };
  const at = (share) => all[Math.floor(share * (all.length - 1))];
  const spread = at(0.75) - at(0.25);
  return { low: spread ? Math.max(all[0], at(0.25) - 2 * spread) : all[0], high: all[all.length - 1], sign };
}

// Where parameters come from: nothing to tell if all are arguments of model().
const isTold = (data) => data.nuisance.length > 0 || data.parameters.some((one) => one.is_declared);
const places = (one) => (one.is_declared ? one.places.join(', ') : 'argument of model()');
const hint = (data, one) => (isTold(data) ? [one.role, one.default === null ? '' : `default ${one.default}`, places(one)].filter(Boolean).join('; ') : null);

function parameters(data) {
  if (!isTold(data)) return null;
  const names = ['parameter', 'what is done with it', 'default', 'in the code'];
  return section('declared', 'Parameters', 'What was compared, what was tuned for each architecture, and where the code says so; the first place has the default.',
    ...scrolled(
      element('thead', {}, element('tr', {}, names.map((name) => element('th', { scope: 'col' }, name)))),
      element('tbody', {}, data.parameters.map((one) => element('tr', {},
        element('td', {}, cell(one.name)), element('td', {}, one.role),
        element('td', { class: 'mono' }, cell(one.default)), element('td', { class: `wide${one.is_declared ? ' mono' : ''}` }, places(one)))))));
}

const flagged = (row) => `${row.comparable || row.error ? '' : 'not comparable: '}${row.shown_flags.join(', ')}`;

// Whether trials are not equally long for all architectures.
const haveOwnLengths = (data) => new Set(data.rows.map((row) => row.epochs).filter(Boolean)).size > 1;

function columnsOf(data) {
  const { metric } = data, scale = scaleOf(data.rows, metric), best = metric.higher;
  const costs = data.costs.map((cost, index) => ({
    title: ['parameters', 'FLOPs', 's/epoch'][index], number: true, of: (row) => row.costs[index],
    show: (row) => number(row.costs[index]), known: data.rows.some((row) => row.costs[index] !== null),
  })).filter((column) => column.known);
  const numberOrText = (cell) => (cell !== '' && !isNaN(cell) ? Number(cell) : cell);
  const hints = new Map(data.parameters.map((one) => [one.name, hint(data, one)]));
  return [
    { title: '#', number: true, of: (row) => row.place, show: (row) => element('a', { href: `#architecture-${row.rank}` }, String(row.place)) },
    ...data.columns.map((title, index) => ({
      title, text: true, hint: hints.get(title), of: (row) => numberOrText(row.cells[index]), show: (row) => row.cells[index] || '\u2013',
    })),
    { title: metric.is_plain ? 'validation' : metric.title, number: true, best, of: (row) => row.perf.mean, show: (row) => (row.error ? 'failed' : interval(row.perf)) },
    { title: '', of: (row) => row.perf.mean, show: (row) => strip(row, scale) },
    ...(data.have_differences ? [{
      title: 'behind the best', number: true, hint: 'by how much it is behind the best, with the 95% confidence interval of the difference',
      of: (row) => row.behind && row.behind.mean, show: (row) => row.behind_text,
    }] : []),
    ...(data.has_test ? [{ title: metric.is_plain ? 'test' : `test ${metric.name}`, number: true, best, of: (row) => row.test && row.test.mean, show: (row) => interval(row.test) }] : []),
    { title: 'trials', number: true, of: (row) => row.trials.length, show: (row) => String(row.trials.length) },
    ...(data.have_diverged ? [{
      title: 'converged', number: true, best: true, hint: 'how many trials converged, with the 95% confidence interval of their share (Wilson); means are of these',
      of: (row) => (row.trials.length ? row.trials.filter((trial) => trial !== null).length / row.trials.length : null), show: (row) => row.converged,
    }] : []),
    { title: 'median', number: true, best, of: (row) => row.median, show: (row) => row.median_text },
    ...(data.rows.some((row) => row.best) ? [{
      title: 'best epoch', number: true, best, hint: 'the best at the end of a cycle, and its epoch; means over trials. It is the best of many, so it is optimistic: compare by the final score',
      of: (row) => row.best && row.best.mean, show: (row) => (row.best ? row.best.text : ''),
    }] : []),
    { title: 'learning rates', number: true, of: (row) => row.lr && row.lr[1], show: (row) => (row.lr ? row.lr.map((lr) => number(lr)).join(' to ') : '') },
    { title: 'batch', number: true, of: (row) => row.batch, show: (row) => number(row.batch) },
    ...(haveOwnLengths(data) ? [{
      title: 'epochs', number: true, hint: 'the length of its trials, tuned for each architecture', of: (row) => row.epochs, show: (row) => number(row.epochs),
    }] : []),
    ...data.nuisance.map((title, index) => ({
      title, text: true, number: data.rows.every((row) => !isNaN(row.nuisance[index])), hint: hints.get(title), of: (row) => numberOrText(row.nuisance[index]), show: (row) => row.nuisance[index],
    })),
    ...costs,
    ...(data.commands.length ? [{ title: 'command', number: true, hint: 'the command that added it, of those listed below', of: (row) => row.command, show: (row) => number(row.command) }] : []),
    ...(data.rows.some(flagged) ? [{ title: 'flags', of: (row) => row.flags.length, best: true, show: (row) => element('span', { class: 'flag' }, flagged(row)) }] : []),
  ];
}

function compareBy(column, descending) {
  const sign = descending ? -1 : 1;
  return (a, b) => {
    const [x, y] = [column.of(a), column.of(b)];
    const [noX, noY] = [x === null || x === undefined || x === '', y === null || y === undefined || y === ''];
    if (noX || noY) return noX - noY || a.place - b.place;
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : (typeof y === 'number') - (typeof x === 'number') || String(x).localeCompare(String(y), undefined, { numeric: true });
    return sign * order || a.place - b.place;
  };
}

// Which commands added the architectures, numbered as in the column.
function commandList(data) {
  if (!data.commands.length) return null;
  return element('details', { class: 'commands', open: data.commands.length <= 5 }, element('summary', {}, `${data.commands.length} commands added these architectures or trials`),
    element('ol', {}, data.commands.map((one) => element('li', { class: 'mono' }, one))));
}

function leaderBoard(data, onfilter) {
  const columns = columnsOf(data);
  const line = (row) => element('tr', { class: row.error ? 'failed' : row.first ? 'first' : null },
    columns.map((column) => element('td', { class: column.number ? 'number' : null }, column.text ? cell(column.show(row)) : column.show(row))));
  const lines = new Map(); // made when first shown: a thousand take their time
  let ordered = [...data.rows].sort((a, b) => a.place - b.place), kept = new Set(data.rows), most = FEW_LINES;
  const body = element('tbody');
  const more = element('button', { class: 'more', type: 'button', onclick: () => { most = Infinity; show(); } });
  function show() {
    const found = ordered.filter((row) => kept.has(row));
    more.hidden = found.length <= most;
    more.textContent = `Show all ${found.length}`;
    body.replaceChildren(...found.slice(0, most).map((row) => {
      if (!lines.has(row)) lines.set(row, line(row));
      return lines.get(row);
    }));
  }
  const heads = columns.map((column) => element('th', { scope: 'col', class: column.number ? 'number' : null },
    column.title ? element('button', { type: 'button', title: column.hint, onclick: () => sort(column) }, cell(column.title)) : element('span', { 'aria-label': 'interval and trials' })));
  let sorted = null, descending = false;
  function sort(column) {
    descending = sorted === column ? !descending : Boolean(column.best);
    sorted = column;
    heads.forEach((head, index) => {
      if (columns[index] === column) head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    ordered = [...data.rows].sort(compareBy(column, descending));
    show();
  }
  const count = element('span', { class: 'explain', 'aria-live': 'polite' });
  const search = element('input', { type: 'search', placeholder: 'Search: tanh, width=64, a flag, failed …', 'aria-label': 'Search', oninput: filter });
  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = data.rows.filter((row) => words.every((word) => row.searched.includes(word)));
    kept = new Set(found);
    show();
    count.textContent = found.length === data.rows.length ? '' : `${found.length} of ${data.rows.length}`;
    onfilter(kept);
  }
  show();
  const methods = [...new Set(data.rows.map((row) => row.perf.method).filter(Boolean))].join(', ');
  return section('board', 'Leader board',
    `Mean ${data.metric.title}${direction(data.metric)} over ${data.units} with its 95% confidence interval${methods ? ` (${methods})` : ''}; dots are single trials. Marked in green: those that may be the best (one of them is, with 95% confidence).${data.rows.some((row) => !row.comparable && !row.error) ? ' Architectures that are not comparable come after those that are.' : ''}${data.rows.some((row) => row.best) ? ' Best epoch: the best at the end of a cycle, which is optimistic, since it is the best of many; compare by the final score.' : ''}`,
    element('div', { class: 'tools' }, search, count),
    ...scrolled(element('thead', {}, element('tr', {}, heads)), body), more, commandList(data));
}
