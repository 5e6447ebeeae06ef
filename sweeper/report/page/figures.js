// Performance against parameters and costs.

// The metric that is looked at, along an axis: the best are up.
const direction = (metric) => (metric.higher ? '' : ' (lower is better)');
const metricAxis = (metric) => ({ title: { text: label(metric.title + direction(metric)) }, autorange: metric.higher ? true : 'reversed' });
const nameOf = (metric) => (metric.is_plain ? 'performance' : metric.name);
const titled = (metric) => (metric.is_plain ? 'Performance' : metric.name);
const short = (metric, value) => (metric.is_share ? value.toFixed(3) : number(value, 4));
// The better, the brighter.
const colours = (metric) => ({ colorscale: 'Viridis', reversescale: !metric.higher });
const diverged = (rows) => { const count = rows.filter((row) => row.trials.length && row.perf.mean === null).length; return count ? ` ${count} diverged and cannot be shown.` : ''; };

// Architectures that are not comparable, in every figure that has them.
const crosses = (rows, places, among) => ({
  name: 'not comparable', x: places, y: rows.map((row) => row.perf.mean), text: hover(rows), hoverinfo: 'text', mode: 'markers',
  error_y: among <= 300 ? errorBars(rows, PALETTE[5]) : undefined, marker: { color: PALETTE[5], size: 9, symbol: 'x' },
});
const withoutDoubted = (count) => (count ? ` ${count === 1 ? 'One architecture that is not comparable is' : `${count} architectures that are not comparable are`} left out.` : '');

function byParameter(data, compared) {
  let chosen = 0;
  const node = chart(() => {
    const axis = data.axes[chosen];
    const others = data.axes.filter((one) => one !== axis).map((one) => data.columns.indexOf(one.name));
    const groups = new Map();
    const doubted = compared.map((row, index) => [axis.places[index], row]).filter(([place, row]) => place !== null && !row.comparable);
    compared.forEach((row, index) => {
      const name = others.filter((column) => row.cells[column]).map((column) => `${data.columns[column]}=${row.cells[column]}`).join(' ');
      if (axis.places[index] !== null && row.comparable) groups.set(name, [...(groups.get(name) || []), [axis.places[index], row]]);
    });
    const single = groups.size > PALETTE.length || [...groups.values()].every((group) => group.length < 2);
    const shown = single ? [['', [...groups.values()].flat()]] : [...groups].sort(([a], [b]) => inOrder(a, b));
    const titles = labels(shown.map(([name]) => name));
    const traces = shown.map(([, group], index) => {
      group.sort((a, b) => a[0] - b[0]);
      const rows = group.map(([, row]) => row);
      const shift = axis.labels ? (index - (shown.length - 1) / 2) * Math.min(0.12, 0.7 / shown.length) : 0;
      const shade = PALETTE[index % PALETTE.length];
      return {
        name: titles[index], x: group.map(([place]) => place + shift), y: rows.map((row) => row.perf.mean), text: hover(rows), hoverinfo: 'text',
        mode: single || axis.labels ? 'markers' : 'lines+markers', error_y: compared.length <= 300 ? errorBars(rows, shade) : undefined,
        marker: { color: shade, size: 9, symbol: SYMBOLS[index % SYMBOLS.length], opacity: single ? 0.7 : 1 }, line: { color: shade, width: 2 },
      };
    });
    if (doubted.length) traces.push(crosses(doubted.map(([, row]) => row), doubted.map(([place]) => place), compared.length));
    return { traces, layout: { xaxis: axisOf(axis), yaxis: metricAxis(data.metric), showlegend: traces.length > 1 } };
  });
  return section('parameters', `${titled(data.metric)} against each parameter`,
    'Means with 95% intervals. Architectures that differ in this parameter alone are joined by a line, as long as there are few such groups.' + (compared.some((row) => !row.comparable) ? ' Orange crosses are not comparable.' : '') + diverged(compared),
    element('div', { class: 'tools' }, chooser('parameter', data.axes.map((axis) => axis.name), 0, (index) => { chosen = index; redraw(node); })), node);
}

const percent = (share) => (share >= 0.01 || share < 1e-8 ? `${(100 * share).toFixed(0)}%` : '<1%');

function influence(data) {
  if (!data.effects.length) return null;
  const bars = data.effects.slice(0, 12).flatMap((effect) => [
    element('span', {}, effect.name), element('span', { class: 'bar', style: `width:${(100 * effect.share).toFixed(1)}%` }),
    element('span', {}, percent(effect.share))]);
  const without = data.effects_without ? ` ${data.effects_without} is left out, which nearly all of the variance is due to.` : '';
  const within = data.effects_within_noise;
  const names = within.length > 6 ? `${within.slice(0, 6).join(', ')} and ${within.length - 6} more` : within.join(', ');
  const noise = within.length ? ` No effect beyond noise: ${names}.` : '';
  return section('influence', `What the ${nameOf(data.metric)} depends on`, `Shares of the variance between ${data.effects_scope}, without that of noise between trials.` + without + noise, element('div', { class: 'bars' }, bars));
}

function heatMap(data) {
  if (!data.heat_maps.length) return null;
  let chosen = 0;
  const node = chart(() => {
    const map = data.heat_maps[chosen];
    const [columns, rows, [across, along]] = [labels(map.columns, 20), labels(map.rows, 20), labels([map.x, map.y])];
    const few = map.rows.length * map.columns.length <= 150;
    return {
      traces: [{
        type: 'heatmap', z: map.means, x: map.columns.map((_, index) => index), y: map.rows.map((_, index) => index), ...colours(data.metric),
        hoverongaps: false, colorbar: { title: { text: '' }, thickness: 12, outlinewidth: 0 },
        text: map.means.map((line) => line.map((mean) => (mean === null ? '' : short(data.metric, mean)))), texttemplate: few ? '%{text}' : undefined,
        hovertext: map.means.map((line, row) => line.map((mean, column) => (mean === null ? '' :
          `${across} = ${columns[column]}<br>${along} = ${rows[row]}<br>${data.metric.is_share ? mean.toFixed(4) : number(mean, 5)}, mean of ${map.counts[row][column]}`))),
        hoverinfo: 'text', xgap: 2, ygap: 2,
      }],
      layout: {
        xaxis: { title: { text: across }, tickvals: map.columns.map((_, i) => i), ticktext: columns, showgrid: false },
        yaxis: { title: { text: along }, tickvals: map.rows.map((_, i) => i), ticktext: rows, showgrid: false },
      },
    };
  });
  const names = data.heat_maps.map((map) => `${map.y} by ${map.x}`);
  return section('heat-map', 'Two parameters together', `Mean ${nameOf(data.metric)}${direction(data.metric)} of all architectures with a pair of values.${withoutDoubted(data.heat_maps[0].left_out)}`,
    names.length > 1 ? element('div', { class: 'tools' }, chooser('parameters', names, 0, (index) => { chosen = index; redraw(node); })) : null, node);
}

function parallel(data, compared) {
  if (data.axes.length < 3) return null;
  const all = compared.every((row) => !row.comparable);
  const kept = compared.map((row, index) => index).filter((index) => all || compared[index].comparable);
  const known = kept.map((index) => compared[index].perf.mean).filter((mean) => mean !== null);
  const worst = !known.length ? 0 : data.metric.higher ? Math.min(...known) : Math.max(...known);
  const perfs = kept.map((index) => compared[index].perf.mean ?? worst);
  const titles = labels(data.axes.map((axis) => axis.name), 24);
  const node = chart(() => ({
    traces: [{
      type: 'parcoords', line: { color: perfs, ...colours(data.metric), showscale: true, colorbar: { thickness: 12 } },
      labelfont: { color: colour('ink') }, tickfont: { color: colour('ink') }, rangefont: { color: colour('faint') },
      dimensions: [...data.axes.map((axis, at) => {
        const scaled = (place) => (place === null ? NaN : axis.log ? Math.log10(place) : place);
        const values = valuesOf(axis);
        const ticks = axis.labels ? { tickvals: axis.labels.map((_, i) => i), ticktext: labels(axis.labels, 18) }
          : values.length <= 10 ? { tickvals: values.map(scaled), ticktext: numbers(values) } : {};
        return { label: titles[at] + (axis.log && values.length > 10 ? ' (log10)' : ''), values: kept.map((index) => scaled(axis.places[index])), ...ticks };
      }), { label: label(nameOf(data.metric), 24), values: perfs, ...(data.metric.higher || !known.length ? {} : { range: [worst, Math.min(...known)] }) }],
    }],
    layout: { margin: { l: 60, r: 40, t: 50, b: 25 } },
  }));
  node.style.minWidth = `${110 * (data.axes.length + 1)}px`;
  return section('parallel', 'All parameters together', `Each line is an architecture, coloured by its mean ${nameOf(data.metric)}${direction(data.metric)}. Drag along an axis to select.` + withoutDoubted(compared.length - kept.length),
    element('div', { class: 'across' }, node));
}

function againstCost(data, compared) {
  const known = data.costs.map((_, index) => index).filter((index) => compared.some((row) => row.costs[index] !== null));
  if (!known.length) return null;
  let chosen = known[0];
  const node = chart(() => {
    const { front, label: name } = data.costs[chosen];
    const part = (wanted, comparable = true) => compared.filter((row, index) => row.costs[chosen] !== null && front[index] === wanted && row.comparable === comparable);
    const doubted = part(false, false);
    const trace = (rows, title, shade, extra) => ({
      name: title, x: rows.map((row) => row.costs[chosen]), y: rows.map((row) => row.perf.mean), text: hover(rows), hoverinfo: 'text+x', mode: 'markers',
      error_y: compared.length <= 300 ? errorBars(rows, shade) : undefined, marker: { color: shade, size: 9, opacity: 0.85 }, ...extra,
    });
    const best = part(true).sort((a, b) => a.costs[chosen] - b.costs[chosen]);
    const costs = compared.map((row) => row.costs[chosen]).filter((cost) => cost !== null);
    const log = Math.min(...costs) > 0 && Math.max(...costs) / Math.min(...costs) > 8;
    return {
      traces: [...(doubted.length ? [{ ...crosses(doubted, doubted.map((row) => row.costs[chosen]), compared.length), hoverinfo: 'text+x' }] : []), trace(part(false), 'dominated', colour('faint')), trace(best, 'Pareto front', PALETTE[1], { mode: 'lines+markers', line: { shape: 'hv', color: PALETTE[1], dash: 'dot' }, marker: { color: PALETTE[1], size: 11, symbol: 'diamond' } })],
      layout: { xaxis: { title: { text: name }, type: log ? 'log' : 'linear' }, yaxis: metricAxis(data.metric) },
    };
  });
  return section('cost', `${titled(data.metric)} against cost`,
    'For an architecture on the Pareto front, no other is both cheaper and better (by means; the intervals show how certain that is). Seconds depend on the machine that trained.' + diverged(compared),
    element('div', { class: 'tools' }, chooser('cost', known.map((index) => data.costs[index].label), 0, (index) => { chosen = known[index]; redraw(node); })), node);
}
