// A plane of numbers on canvas, with points: what the playground and the views of a run draw.

const BANDS = 5; // steps of colour on each side of the middle
const HUES = ["input", "grad", "param", "output", "select", "edge"]; // of classes, told apart by shape, too

const bytesOf = (view) => (view instanceof Uint8Array ? view : new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength));
const floatsOf = (view) => new Float32Array(bytesOf(view).slice().buffer);

// A canvas as large as its place, in the screen's pixels; null where it has none.
function sheet(canvas) {
  const [width, height, scale] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
  if (!width || !height) return null;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const paint = canvas.getContext("2d");
  paint.setTransform(scale, 0, 0, scale, 0, 0);
  paint.clearRect(0, 0, width, height);
  return { paint, width, height };
}

// The outline of a class's mark: circle, triangle, square, diamond, triangle upside down, cross.
function outline(paint, kind, x, y, r) {
  paint.beginPath();
  const around = (...points) => {
    points.forEach(([a, b], i) => (i ? paint.lineTo(x + a * r, y + b * r) : paint.moveTo(x + a * r, y + b * r)));
    paint.closePath();
  };
  if (kind === 0) paint.arc(x, y, r, 0, 7);
  else if (kind === 1) around([0, -1.25], [1.15, 0.85], [-1.15, 0.85]);
  else if (kind === 2) around([-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]);
  else if (kind === 3) around([0, -1.35], [1.1, 0], [0, 1.35], [-1.1, 0]);
  else if (kind === 4) around([0, 1.25], [1.15, -0.85], [-1.15, -0.85]);
  else around([-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]);
}

// Where a plane of numbers goes through a level: a line piece for each little square that it crosses.
function crossings(plane, side, level, each) {
  for (let row = 0; row < side - 1; row++) {
    for (let column = 0; column < side - 1; column++) {
      const at = row * side + column;
      const [a, b, c, d] = [plane[at] - level, plane[at + 1] - level, plane[at + side + 1] - level, plane[at + side] - level];
      const ends = [];
      if (a > 0 !== b > 0) ends.push([column + a / (a - b), row]);
      if (b > 0 !== c > 0) ends.push([column + 1, row + b / (b - c)]);
      if (d > 0 !== c > 0) ends.push([column + d / (d - c), row + 1]);
      if (a > 0 !== d > 0) ends.push([column, row + a / (a - d)]);
      for (let i = 0; i + 1 < ends.length; i += 2) each(ends[i], ends[i + 1]);
    }
  }
}

// How much of the places around a point belongs to a class, 0 to 255: where that goes through the middle is its border.
function belongs(plane, side, kind) {
  const part = new Float32Array(side * side);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      let [found, all] = [0, 0];
      for (let y = Math.max(row - 2, 0); y <= Math.min(row + 2, side - 1); y++) {
        for (let x = Math.max(column - 2, 0); x <= Math.min(column + 2, side - 1); x++) {
          all++;
          if (plane[y * side + x] === kind) found++;
        }
      }
      part[row * side + column] = (255 * found) / all;
    }
  }
  return part;
}

// A token's red, green and blue.
function rgbOf(token, root) {
  const paint = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  paint.fillStyle = ink(token, root);
  paint.fillRect(0, 0, 1, 1);
  return [...paint.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

// What each byte is drawn as: `tone` gives a hue and how much of it.
const shades = (hues, tone) =>
  Uint32Array.from({ length: 256 }, (_, v) => {
    const [hue, part] = tone(v);
    const [red, green, blue] = hues[hue % hues.length];
    return ((Math.round(255 * part) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });

// Bytes as a square picture.
function image(side, bytes, start, inks) {
  const made = new ImageData(side, side);
  const pixels = new Uint32Array(made.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = inks[bytes[start + i]];
  return made;
}

const banded = (part) => 0.06 + 0.34 * (Math.round(BANDS * part) / BANDS);

// Of more than two classes each point has the hue of the likeliest, the paler the less likely.
function areas(side, plane, classes, hues) {
  const part = (v) => banded(Math.max(0, (v / 255 - 1 / classes) / (1 - 1 / classes)));
  const tables = Array.from({ length: classes }, (_, kind) => shades(hues, (v) => [kind, part(v)]));
  const made = new ImageData(side, side);
  const pixels = new Uint32Array(made.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = tables[plane[i]][plane[pixels.length + i]];
  return made;
}
