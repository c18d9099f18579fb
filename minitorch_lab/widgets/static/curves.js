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

// One chart. `names`: its columns, as they came, least, greatest, smoothed; `range(data, valid)` gives the vertical axis.
function chart(canvas, root, names, range) {
  const paint = canvas.getContext("2d");
  const self = { log: false, at: null };
  let geometry = null;

  self.stepAt = (x) => geometry && Math.round(((x - geometry.left) / (geometry.right - geometry.left)) * geometry.end);
  self.draw = (data, valid, marks, end, colour) => {
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

    const axis = range(data, valid, self.log);
    const map = self.log ? Math.log10 : (v) => v;
    const labels = self.log
      ? Array.from({ length: axis.high - axis.low + 1 }, (_, i) => [axis.low + i, decade(axis.low + i)])
          .filter((_, i, all) => i % Math.ceil(all.length / 6) === 0)
      : ticks(axis.low, axis.high, 5);
    const left = Math.ceil(Math.max(24, ...labels.map(([, text]) => paint.measureText(text).width)) + 8);
    const [right, top, bottom] = [width - 6, 32, height - 20];
    geometry = { left, right, end };
    const px = (step) => left + ((right - left) * step) / end;
    const py = (v) => bottom - ((bottom - top) * (map(v) - axis.low)) / (axis.high - axis.low);
    const raw = (v) => bottom - ((bottom - top) * (v - axis.low)) / (axis.high - axis.low);

    // Axes: hairlines and numbers.
    paint.lineWidth = 1;
    paint.textBaseline = "middle";
    for (const [value, text] of labels) {
      const y = Math.round(raw(value)) + 0.5;
      paint.strokeStyle = colour.line;
      paint.beginPath();
      paint.moveTo(left, y);
      paint.lineTo(right, y);
      paint.stroke();
      paint.fillStyle = colour.muted;
      paint.textAlign = "right";
      paint.fillText(text, left - 8, y);
    }
    paint.textBaseline = "alphabetic";
    const across = ticks(0, end, Math.max(2, Math.floor((right - left) / 90))).filter(([v]) => Number.isInteger(v));
    for (const [value] of across) {
      const text = value ? whole(value) : "step 0";
      const half = paint.measureText(text).width / 2;
      paint.textAlign = "left";
      paint.fillText(text, Math.min(Math.max(px(value) - half, left - 4), right - 2 * half), height - 5);
    }

    // Changes: a dashed line each, words where they fit. Changes of one drag are one change.
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
      paint.beginPath();
      paint.moveTo(x, 4);
      paint.lineTo(x, bottom);
      paint.stroke();
    }
    paint.setLineDash([]);
    const free = [left, left]; // two lines for the words; what fits in neither is in the history
    paint.strokeStyle = colour.ground;
    paint.lineWidth = 4;
    for (const mark of together) {
      const text = mark.kind in MARKED ? `${MARKED[mark.kind]} ${setting(mark.from)} → ${setting(mark.to)}` : mark.to;
      const size = paint.measureText(text).width;
      const place = Math.min(px(mark.step) + 4, right - size);
      const line = free.findIndex((from) => place >= from);
      if (line < 0) continue;
      paint.strokeText(text, place, 12 + 13 * line);
      paint.fillText(text, place, 12 + 13 * line);
      free[line] = place + size + 8;
    }

    // The steps as they came, thin; where several fall on one pixel, from the least to the greatest.
    const [value, low, high, mild] = names.map((name) => data[name]);
    paint.save();
    paint.beginPath();
    paint.rect(left, top - 2, right - left + 6, bottom - top + 4);
    paint.clip();
    paint.lineJoin = "round";
    paint.strokeStyle = colour.train;
    paint.globalAlpha = 0.32;
    paint.lineWidth = 1;
    paint.beginPath();
    let [column, least, greatest, pen] = [-1, 0, 0, false];
    const flush = () => {
      if (column < 0) return;
      if (pen) paint.lineTo(column, py(greatest));
      else paint.moveTo(column, py(greatest));
      if (greatest > least) paint.lineTo(column, py(least));
      pen = true;
    };
    for (let i = 0; i < data.rows && !data.steady; i++) {
      if (!Number.isFinite(value[i])) {
        flush();
        column = -1;
        pen = false;
        continue;
      }
      const x = Math.round(2 * px(data.step[i])) / 2;
      if (x !== column) {
        flush();
        [column, least, greatest] = [x, low[i], high[i]];
      } else {
        least = Math.min(least, low[i]);
        greatest = Math.max(greatest, high[i]);
      }
    }
    flush();
    paint.stroke();
    paint.globalAlpha = 1;

    // Smoothed, bold, with a dot where the run is.
    paint.lineWidth = 2;
    paint.beginPath();
    let [lastX, lastY] = [-9, 0];
    for (let i = 0; i < data.rows; i++) {
      if (!Number.isFinite(mild[i])) continue;
      const x = px(data.step[i]);
      if (x - lastX < 0.5 && i < data.rows - 1) continue;
      if (data.steady && lastX >= 0) paint.lineTo(x, lastY); // it holds until it changes
      lastY = py(mild[i]);
      if (lastX < 0) paint.moveTo(x, lastY);
      else paint.lineTo(x, lastY);
      lastX = x;
    }
    if (data.steady && lastX >= 0) paint.lineTo((lastX = px(data.now)), lastY);
    paint.stroke();
    if (lastX >= 0) {
      paint.fillStyle = colour.train;
      paint.beginPath();
      paint.arc(lastX, lastY, 3, 0, 7);
      paint.fill();
    }

    // Validation: a point an epoch, joined.
    paint.strokeStyle = paint.fillStyle = colour.text;
    paint.lineWidth = 1.25;
    const points = valid.filter((row) => Number.isFinite(row[names[0]])).map((row) => [px(row.step), py(row[names[0]])]);
    paint.beginPath();
    points.forEach(([x, y], i) => (i ? paint.lineTo(x, y) : paint.moveTo(x, y)));
    paint.stroke();
    if (points.length < (right - left) / 8) {
      for (const [x, y] of points) {
        paint.beginPath();
        paint.arc(x, y, 2.5, 0, 7);
        paint.fill();
      }
    }

    // The read-out: a hairline and dots at the step under the pointer.
    if (self.at !== null && data.rows) {
      const row = data.find(self.at);
      const x = px(data.step[row]);
      paint.strokeStyle = colour.edge;
      paint.lineWidth = 1;
      paint.beginPath();
      paint.moveTo(Math.round(x) + 0.5, top);
      paint.lineTo(Math.round(x) + 0.5, bottom);
      paint.stroke();
      for (const [v, fill] of [[value[row], colour.ground], [mild[row], colour.train]]) {
        if (!Number.isFinite(v)) continue;
        paint.beginPath();
        paint.arc(x, py(v), 3.5, 0, 7);
        paint.fillStyle = fill;
        paint.strokeStyle = colour.train;
        paint.lineWidth = 1.5;
        paint.fill();
        paint.stroke();
      }
    }
    paint.restore();
  };
  return self;
}

// The vertical axis of a value of any size. `names`: its columns.
const rangeOf = ([value, least, greatest, mild]) => (data, valid, log) => {
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
  if (log) {
    if (!(low > 0 && high > 0)) return { low: -2, high: 0 };
    const from = Math.floor(Math.log10(low));
    return { low: from, high: Math.max(Math.ceil(Math.log10(high)), from + 1) };
  }
  return { low: low < 0 ? -above(-low) : 0, high: above(high) };
};
const LOSS = ["loss", "low", "high", "smoothLoss"];
const POINT = ["value", "low", "high", "mild"];

function accuracyRange(data, valid) {
  let low = 1;
  for (let i = 0; i < data.rows; i++) if (Number.isFinite(data.smoothAccuracy[i])) low = Math.min(low, data.smoothAccuracy[i]);
  for (const row of valid) if (Number.isFinite(row.accuracy)) low = Math.min(low, row.accuracy);
  return { low: low >= 0.9 ? 0.9 : low >= 0.5 ? 0.5 : 0, high: 1 };
}
