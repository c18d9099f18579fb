// The curves of a run: its numbers as columns that grow, and pictures of them on canvas.
//
// The kernel sends rows of six float32: last step, number of steps, mean, least and greatest loss,
// mean accuracy. Few steps come one a row; many are put together, so that a message stays small.

const ROW = 6;
const MOST = 20000; // rows kept: above it, neighbours are merged

const SETTINGS = { momentum: "momentum", weight_decay: "weight decay", dropout: "dropout", batch_size: "batch" };
const MARKED = { lr: "lr", ...SETTINGS };

const whole = (count) => count.toLocaleString("en");
const setting = (value) => String(Number(value.toPrecision(3)));

// What the run has shown so far: columns of numbers that grow, and their smoothed twins.
function series(base) {
  let span = base;
  const names = ["step", "count", "loss", "low", "high", "accuracy", "smoothLoss", "smoothAccuracy"];
  const self = { rows: 0, steps: 0 };
  const clear = () => {
    for (const name of names) self[name] = new Float32Array(1024);
    self.rows = self.steps = 0;
    self.loss0 = { mean: 0, weight: 0 };
    self.accuracy0 = { mean: 0, weight: 0 };
  };
  // An average that forgets: after `span` steps (fewer at the beginning, where the loss falls fast) a
  // value has lost two thirds of its say. Dividing by the weight so far makes the first values their
  // own average instead of starting at 0. What is drawn once stays as it is.
  const blend = (state, value, count) => {
    if (Number.isFinite(value)) {
      const fade = Math.exp(-count / Math.min(span, 3 + self.steps / 12));
      state.mean = state.mean * fade + value * (1 - fade);
      state.weight = state.weight * fade + (1 - fade);
    }
    return state.weight ? state.mean / state.weight : NaN;
  };
  const smooth = (row) => {
    self.smoothLoss[row] = blend(self.loss0, self.loss[row], self.count[row]);
    self.smoothAccuracy[row] = blend(self.accuracy0, self.accuracy[row], self.count[row]);
  };
  const merge = () => {
    const half = Math.floor(self.rows / 2);
    const odd = self.rows % 2;
    for (let i = 0; i < half; i++) {
      const [a, b] = [2 * i, 2 * i + 1];
      const [m, n] = [self.count[a], self.count[b]];
      const mean = (column) => (column[a] * m + column[b] * n) / (m + n);
      [self.loss[i], self.accuracy[i]] = [mean(self.loss), mean(self.accuracy)];
      [self.smoothLoss[i], self.smoothAccuracy[i]] = [self.smoothLoss[b], self.smoothAccuracy[b]];
      self.low[i] = Math.min(self.low[a], self.low[b]);
      self.high[i] = Math.max(self.high[a], self.high[b]);
      self.step[i] = self.step[b];
      self.count[i] = m + n;
    }
    if (odd) for (const name of names) self[name][half] = self[name][self.rows - 1];
    self.rows = half + odd;
  };
  self.clear = clear;
  self.add = (values) => {
    for (let at = 0; at + ROW <= values.length; at += ROW) {
      if (self.rows >= MOST) merge();
      if (self.rows === self.step.length) {
        for (const name of names) {
          const longer = new Float32Array(2 * self.rows);
          longer.set(self[name]);
          self[name] = longer;
        }
      }
      const row = self.rows++;
      for (let i = 0; i < ROW; i++) self[names[i]][row] = values[at + i];
      self.steps += values[at + 1];
      smooth(row);
    }
  };
  self.find = (step) => find(self, step);
  // Smooth all of it anew, over more steps or fewer.
  self.smoother = (factor) => {
    span = base * factor;
    self.steps = 0;
    self.loss0 = { mean: 0, weight: 0 };
    self.accuracy0 = { mean: 0, weight: 0 };
    for (let row = 0; row < self.rows; row++) {
      self.steps += self.count[row];
      smooth(row);
    }
  };
  clear();
  return self;
}

// The row of a step, by bisection.
function find(data, step) {
  let [low, high] = [0, data.rows - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.step[middle] < step) low = middle + 1;
    else high = middle;
  }
  return low;
}

// A stream that has a value now and then: rows of step, mean, least, greatest.
function points(steady) {
  const names = ["step", "value", "low", "high", "mild"];
  const self = { rows: 0, steady, now: 0 };
  let fade = 0;
  self.clear = () => {
    self.rows = 0;
    for (const name of names) self[name] = [];
  };
  const smooth = (row) => {
    const [value, before] = [self.value[row], self.mild[row - 1]];
    self.mild[row] = row && Number.isFinite(before) && Number.isFinite(value) ? before * fade + value * (1 - fade) : value;
  };
  self.add = (rows) => {
    for (const [step, value, low, high] of rows) {
      const row = self.rows++;
      [self.step[row], self.value[row], self.low[row], self.high[row]] = [step, value ?? NaN, low ?? NaN, high ?? NaN];
      smooth(row);
    }
    if (self.rows > 4000) halve();
  };
  const halve = () => {
    const half = Math.ceil(self.rows / 2);
    for (let i = 0; i < half; i++) {
      const [a, b] = [2 * i, Math.min(2 * i + 1, self.rows - 1)];
      self.value[i] = (self.value[a] + self.value[b]) / 2;
      [self.step[i], self.mild[i]] = [self.step[b], self.mild[b]];
      [self.low[i], self.high[i]] = [Math.min(self.low[a], self.low[b]), Math.max(self.high[a], self.high[b])];
    }
    for (const name of names) self[name].length = half;
    self.rows = half;
  };
  self.find = (step) => find(self, step);
  self.smoother = (factor) => {
    fade = steady ? 0 : factor / (factor + 0.5);
    for (let row = 0; row < self.rows; row++) smooth(row);
  };
  self.clear();
  self.smoother(1);
  return self;
}

// The next round number above, so that an axis changes seldom.
function above(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const factor of [1, 1.2, 1.6, 2, 2.5, 3, 4, 5, 6, 8]) if (value <= factor * power * (1 + 1e-9)) return factor * power;
  return 10 * power;
}

function ticks(low, high, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= rough * (1 - 1e-9));
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (Math.abs(step / power - 2.5) < 1e-9 ? 1 : 0));
  const far = high >= 1e5 || step < 1e-4;
  return found.map((v) => [v, far && v ? v.toExponential(0).replace("+", "") : v.toFixed(Math.min(digits, 8)).replace("-", "−")]);
}

const decade = (power) => (Math.abs(power) <= 4 ? String(Number(`1e${power}`)) : `1e${power}`.replace("-", "−"));

// The axis of steps ends at the whole run, or at a half, a quarter, ... of it: few jumps, no lost corner.
function reach(total, last) {
  let end = total ?? above(Math.max(last, 20));
  if (total) while (end / 2 >= Math.max(last * 1.02, total / 20, 10)) end = Math.ceil(end / 2);
  return Math.max(end, last, 1);
}

// Runs that are drawn together: a colour and a pattern of dashes for each, by its place in the list.
const PALETTE = ["input", "output", "param", "grad", "select"];
const DASHES = [[6, 3], [2, 3], [9, 3, 2, 3], [11, 4], [4, 2, 1, 2]];
const paletteOf = (place) => PALETTE[place % PALETTE.length];
const dashOf = (place) => DASHES[(place + Math.floor(place / PALETTE.length)) % DASHES.length];

// The curve in columns of pixels, `scale` of them a step: of each the least, the greatest, and the smoothed value at its end.
function columns(data, [value, low, high, mild], scale) {
  const [values, lows, highs, milds, steps] = [data[value], data[low], data[high], data[mild], data.step];
  const found = [];
  let now = null;
  for (let i = 0; i < data.rows; i++) {
    const x = Math.floor(steps[i] * scale);
    const finite = Number.isFinite(values[i]);
    if (!now || now.x !== x || now.finite !== finite) found.push((now = { x, finite, step: 0, low: Infinity, high: -Infinity, mild: NaN }));
    now.step = steps[i];
    if (lows[i] < now.low) now.low = lows[i];
    if (highs[i] > now.high) now.high = highs[i];
    if (Number.isFinite(milds[i])) now.mild = milds[i];
  }
  return found;
}

// One chart. `names`: its columns, as they came, least, greatest, smoothed; `range` gives the vertical axis.
function chart(canvas, names, range) {
  const paint = canvas.getContext("2d");
  const self = { log: false, at: null };
  let geometry = null;

  // All of it; `view` has data, valid, marks, ticks, bad, others, end and colour.
  self.draw = (view) => {
    const { data, end, colour } = view;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    const scale = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    paint.setTransform(scale, 0, 0, scale, 0, 0);
    paint.clearRect(0, 0, width, height);
    paint.font = `11px ${colour.font}`;

    const axis = range(data, view.valid, self.log, view.others);
    const map = self.log ? Math.log10 : (v) => v;
    const labels = self.log
      ? Array.from({ length: axis.high - axis.low + 1 }, (_, i) => [axis.low + i, decade(axis.low + i)])
          .filter((_, i, all) => i % Math.ceil(all.length / 6) === 0)
      : ticks(axis.low, axis.high, 5);
    const left = Math.ceil(Math.max(24, ...labels.map(([, text]) => paint.measureText(text).width)) + 8);
    const [right, top, bottom] = [width - 6, 32, height - 20];
    const raw = (v) => bottom - ((bottom - top) * (v - axis.low)) / (axis.high - axis.low);
    geometry = { left, right, top, bottom, end, scale, px: (step) => left + ((right - left) * step) / end, raw, py: (v) => raw(map(v)) };

    axes(labels, colour);
    changes(view);
    paint.save();
    paint.beginPath();
    paint.rect(left, top - 2, right - left + 6, bottom - top + 4);
    paint.clip();
    curve(data, colour);
    checks(view.valid, colour);
    others(view.others);
    if (self.at !== null && data.rows) readout(view);
    paint.restore();
    crosses(view.bad, colour);
  };
  self.stepAt = (x) => geometry && Math.round(((x - geometry.left) / (geometry.right - geometry.left)) * geometry.end);

  const line = (x0, y0, x1, y1) => {
    paint.beginPath();
    paint.moveTo(x0, y0);
    paint.lineTo(x1, y1);
    paint.stroke();
  };
  const dot = (x, y, size) => {
    paint.beginPath();
    paint.arc(x, y, size, 0, 7);
    paint.fill();
  };
  const inked = (text, x, y, fill, ground) => {
    paint.strokeStyle = ground;
    paint.lineWidth = 4;
    paint.strokeText(text, x, y);
    paint.fillStyle = fill;
    paint.fillText(text, x, y);
  };

  // Hairlines and numbers.
  const axes = (labels, colour) => {
    const { left, right, bottom, end, px, raw } = geometry;
    paint.lineWidth = 1;
    paint.textBaseline = "middle";
    paint.textAlign = "right";
    paint.strokeStyle = colour.line;
    paint.fillStyle = colour.muted;
    for (const [value, text] of labels) {
      const y = Math.round(raw(value)) + 0.5;
      line(left, y, right, y);
      paint.fillText(text, left - 8, y);
    }
    paint.textBaseline = "alphabetic";
    paint.textAlign = "left";
    for (const [value] of ticks(0, end, Math.max(2, Math.floor((right - left) / 90)))) {
      if (!Number.isInteger(value)) continue;
      const text = value ? whole(value) : "step 0";
      const half = paint.measureText(text).width / 2;
      paint.fillText(text, Math.min(Math.max(px(value) - half, left - 4), right - 2 * half), bottom + 15);
    }
  };

  // Changes: a dashed line each, words where they fit. Changes of one drag are one change.
  const changes = ({ marks, ticks: notes, colour }) => {
    const { left, right, bottom, px } = geometry;
    const together = [];
    for (const mark of marks) {
      const last = together[together.length - 1];
      if (last && last.kind === mark.kind && mark.kind in MARKED && px(mark.step) - px(last.step) < 6) last.to = mark.to;
      else together.push({ ...mark });
    }
    paint.setLineDash([2, 3]);
    paint.strokeStyle = colour.edge;
    for (const mark of together) {
      const x = Math.round(px(mark.step)) + 0.5;
      line(x, 4, x, bottom);
    }
    paint.setLineDash([]);
    const free = [left, left]; // two lines for the words; what fits in neither is in the history
    for (const mark of together) {
      const value = (v) => (typeof v === "number" ? setting(v) : v);
      const text = typeof mark.from === "number" ? `${MARKED[mark.kind] ?? mark.kind} ${value(mark.from)} → ${value(mark.to)}` : String(mark.to);
      const size = paint.measureText(text).width;
      const place = Math.min(px(mark.step) + 4, right - size);
      const row = free.findIndex((from) => place >= from);
      if (row < 0) continue;
      inked(text, place, 12 + 13 * row, colour.muted, colour.ground);
      free[row] = place + size + 8;
    }
    paint.fillStyle = colour.note;
    for (const note of notes ?? []) {
      const x = px(note.step);
      paint.beginPath();
      for (const [dx, dy] of [[0, -1], [4.5, 7], [-4.5, 7]]) paint.lineTo(x + dx, bottom - 8 + dy);
      paint.fill();
    }
  };

  // The steps as they came, thin, from the least to the greatest of a column; smoothed, bold, with a dot where the run is.
  const curve = (data, colour) => {
    const { left, right, bottom, top, end, scale, px, py } = geometry;
    const cols = columns(data, names, ((right - left) * scale) / end);
    const y = (v) => Math.min(Math.max(py(v), top - 2), bottom + 2); // what lies outside is not worth a long line
    paint.lineJoin = "round";
    paint.strokeStyle = paint.fillStyle = colour.thin;
    paint.lineWidth = 1;
    paint.beginPath();
    let last = null;
    for (const col of data.steady ? [] : cols) {
      if (!col.finite) { last = null; continue; }
      const [x, high, low] = [left + col.x / scale, y(col.high), y(col.low)];
      if (last && x - last.x <= 1.01) { // side by side: upright bars, which meet
        const [from, to] = [Math.min(high, last.low), Math.max(low, last.high)];
        paint.fillRect(x, from, 1 / scale, Math.max(to - from, 1));
      } else {
        if (last) paint.lineTo(x, high);
        else paint.moveTo(x, high);
        if (low > high) paint.lineTo(x, low);
      }
      if (last && x - last.x <= 1.01) paint.moveTo(x, low);
      last = { x, high, low };
    }
    paint.stroke();

    paint.strokeStyle = paint.fillStyle = colour.train;
    paint.lineWidth = 2;
    paint.beginPath();
    let [lastX, lastY, begun] = [0, 0, false];
    for (const col of cols) {
      if (!Number.isFinite(col.mild)) continue;
      const x = px(col.step);
      if (data.steady && begun) paint.lineTo(x, lastY); // it holds until it changes
      lastY = py(col.mild);
      if (begun) paint.lineTo(x, lastY);
      else paint.moveTo(x, lastY);
      [lastX, begun] = [x, true];
    }
    if (data.steady && begun) paint.lineTo((lastX = px(data.now)), lastY);
    paint.stroke();
    if (begun) dot(lastX, lastY, 3);
  };

  // Validation: a point an epoch, joined.
  const checks = (valid, colour) => {
    const { left, right, px, py } = geometry;
    const points = valid.filter((row) => Number.isFinite(row[names[0]])).map((row) => [px(row.step), py(row[names[0]])]);
    paint.strokeStyle = paint.fillStyle = colour.text;
    paint.lineWidth = 1.25;
    paint.beginPath();
    let before = -1;
    for (const [x, y] of points) {
      if (x - before >= 0.5) paint.lineTo((before = x), y);
    }
    paint.stroke();
    if (points.length < (right - left) / 8) for (const [x, y] of points) dot(x, y, 2.5);
  };

  // Other runs: dashed, each with its name at its end; their validation as points, too.
  const others = (runs) => {
    const { right, top, bottom, px, py } = geometry;
    const names = [];
    for (const run of runs) {
      paint.strokeStyle = paint.fillStyle = run.colour;
      paint.lineWidth = 1.75;
      paint.setLineDash(run.dash);
      paint.beginPath();
      let [x, y] = [NaN, NaN];
      for (let i = 0; i < run.rows; i++) {
        if (!Number.isFinite(run.value[i]) || run.step[i] <= run.from) continue;
        [x, y] = [px(run.step[i]), Math.max(py(run.value[i]), top - 4)];
        paint.lineTo(x, y);
      }
      paint.stroke();
      paint.setLineDash([]);
      if (x === x) names.push({ run, x, y });
      if (run.checks) checks(run.checks, { text: run.colour });
    }
    names.sort((a, b) => a.y - b.y);
    let free = top - 6;
    for (const { run, x, y } of names) {
      const place = Math.min(x + 6, right - paint.measureText(run.name).width);
      free = Math.max(y + (place === x + 6 ? 4 : -6), free + 13); // beside the end, or above it
      inked(run.name, place, Math.min(free, bottom - 2), run.ink, run.ground);
    }
  };

  // Where the loss was no number: a cross at the top, with words.
  const crosses = (bad, colour) => {
    const { left, right, top, px } = geometry;
    let free = left;
    paint.lineWidth = 1.75;
    for (const [step, word] of bad ?? []) {
      const [x, y] = [px(step), top + 6];
      paint.strokeStyle = colour.bad;
      paint.lineWidth = 1.75;
      line(x - 4, y - 4, x + 4, y + 4);
      line(x - 4, y + 4, x + 4, y - 4);
      const text = `${word} at step ${whole(step)}`;
      const size = paint.measureText(text).width;
      const place = x + 8 + size <= right ? x + 8 : x - 8 - size;
      if (place < free) continue;
      inked(text, place, y + 4, colour.badInk, colour.ground);
      free = place + size + 24;
    }
  };

  // The read-out: a hairline, and dots at the step under the pointer.
  const readout = ({ data, others: runs, colour }) => {
    const { top, bottom, px, py } = geometry;
    const row = data.find(self.at);
    const [x, line0] = [px(data.step[row]), Math.round(px(data.step[row])) + 0.5];
    paint.strokeStyle = colour.edge;
    paint.lineWidth = 1;
    line(line0, top, line0, bottom);
    const ring = (v, stroke, fill) => {
      if (!Number.isFinite(v)) return;
      [paint.strokeStyle, paint.fillStyle, paint.lineWidth] = [stroke, fill, 1.5];
      dot(x, py(v), 3.5);
      paint.stroke();
    };
    ring(data[names[0]][row], colour.train, colour.ground);
    ring(data[names[3]][row], colour.train, colour.train);
    for (const run of runs) ring(valueAt(run, self.at), run.colour, run.ground);
  };
  return self;
}

// The value of another run at a step; NaN where it has none.
function valueAt(run, step) {
  if (!run.rows || step > run.step[run.rows - 1] || step <= run.from) return NaN;
  return run.value[find(run, step)];
}

// The vertical axis of a value of any size. `names`: its columns.
const rangeOf = ([value, least, greatest, mild]) => (data, valid, log, others) => {
  let [low, high, top] = [Infinity, -Infinity, -Infinity];
  for (let i = 0; i < data.rows; i++) {
    if (Number.isFinite(data[mild][i])) top = Math.max(top, data[mild][i]);
    if (!Number.isFinite(data[value][i])) continue;
    if (!log || data[least][i] > 0) low = Math.min(low, data[least][i]);
    if (Number.isFinite(data[greatest][i])) high = Math.max(high, data[greatest][i]);
  }
  for (const row of valid) {
    if (!Number.isFinite(row[value])) continue;
    [low, top] = [Math.min(low, row[value]), Math.max(top, row[value])];
  }
  if (!(high > -Infinity)) return log ? { low: -2, high: 0 } : { low: 0, high: 1 };
  high = Math.max(top, Math.min(high, 1.5 * top)); // a single spike may leave the picture
  for (const run of others) { // another run may leave the picture, too
    if (run.low < low && (!log || run.low > 0)) low = run.low;
    if (run.high > high) high = Math.min(run.high, 2 * high);
  }
  if (log) {
    if (!(low > 0 && high > 0)) return { low: -2, high: 0 };
    const from = Math.floor(Math.log10(low));
    return { low: from, high: Math.max(Math.ceil(Math.log10(high)), from + 1) };
  }
  return { low: low < 0 ? -above(-low) : 0, high: above(high) };
};
const LOSS = ["loss", "low", "high", "smoothLoss"];
const POINT = ["value", "low", "high", "mild"];

function accuracyRange(data, valid, log, others) {
  let low = 1;
  for (let i = 0; i < data.rows; i++) if (Number.isFinite(data.smoothAccuracy[i])) low = Math.min(low, data.smoothAccuracy[i]);
  for (const row of valid) if (Number.isFinite(row.accuracy)) low = Math.min(low, row.accuracy);
  for (const run of others) if (run.low < low) low = run.low;
  return { low: low >= 0.9 ? 0.9 : low >= 0.5 ? 0.5 : 0, high: 1 };
}
