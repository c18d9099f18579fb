// Views of a run's model: tabs, of which one is looked at. Python computes that one, and sends it with the run's messages:
// what it says as JSON, its numbers as binary buffers. Here they are drawn, and read by pointer and by keys.

const HEARD = 5000; // how often Python is told that somebody looks
const ARRAYS = { uint8: bytesOf, float32: floatsOf, int32: (view) => new Int32Array(bytesOf(view).slice().buffer) };

function makeViews({ root, send, about, spoken }) {
  const kinds = about.views ?? [];
  if (!kinds.length) return { update() {}, theme() {} };
  const id = `lab-views-${Math.random().toString(36).slice(2)}`; // of this page, among those that look at one run
  let chosen = about.view ?? kinds[0][0];
  let seen = false; // whether the section is on the screen
  let item = null; // what is shown
  let colour = null;
  const options = { samples: { order: "first" } };

  const ask = (more = {}) => send({ type: "view", who: id, name: seen ? chosen : null, options: options[chosen] ?? {}, text: text.open, ...more });

  // The frame ----------------------------------------------------------------------------------------------------------

  const tabs = kinds.map(([name, title, help]) => h("button", { type: "button", role: "tab", id: `${id}-${name}`, "aria-controls": `${id}-panel`, title: help, onclick: () => choose(name) }, title));
  const list = h("div", { role: "tablist", "aria-label": "Views of the model" }, ...tabs);
  list.addEventListener("keydown", (event) => {
    const at = kinds.findIndex(([name]) => name === chosen);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: kinds.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + kinds.length) % kinds.length;
    choose(kinds[next][0]);
    tabs[next].focus();
  });
  const empty = h("p", { class: "empty" });
  const place = h("div", { class: "place" });
  const words = h("p", { class: "words small muted" });
  const written = h("pre", { tabindex: 0, role: "region", "aria-label": "The view as text" });
  const text = h("details", { class: "as-text", hidden: true, ontoggle: () => { if (text.open) ask({ new: true }); } }, h("summary", {}, "As text"), written);
  const panel = h("div", { role: "tabpanel", id: `${id}-panel`, tabindex: 0 }, empty, place, words, text);
  root.hidden = false;
  root.append(list, panel);

  const say = (what) => { spoken.textContent = what; };
  const choose = (name) => {
    chosen = name;
    item = null;
    for (const [i, [other]] of kinds.entries()) {
      tabs[i].setAttribute("aria-selected", String(other === name));
      tabs[i].tabIndex = other === name ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", `${id}-${name}`);
    panel.dataset.view = name;
    place.replaceChildren(parts[name].node);
    place.hidden = true;
    text.hidden = true;
    words.textContent = "";
    empty.hidden = false;
    empty.textContent = "Looking at the model.";
    if (seen) ask({ new: true });
  };

  const colours = () => {
    const hues = HUES.map((hue) => rgbOf(`--lab-${hue}`, root));
    const tokens = Object.fromEntries(["fg", "muted", "line", "bg", "select"].map((token) => [token, ink(`--lab-${token}`, root)]));
    colour = { hues, css: hues.map(([r, g, b]) => `rgb(${r}, ${g}, ${b})`), ...tokens, font: getComputedStyle(root).fontFamily };
    colour.plane = shades(hues, (v) => [v > 127 ? 1 : 0, banded(Math.abs(v / 127.5 - 1))]);
    colour.signed = shades(hues, (v) => [v > 127 ? 1 : 0, Math.min(Math.abs(v - 127) / 127, 1)]);
  };
  let frame = 0;
  const redraw = () => (frame ||= requestAnimationFrame(() => {
    frame = 0;
    if (!root.isConnected || !item || item.empty || place.hidden) return;
    if (!colour) colours();
    parts[item.name].draw(item);
  }));

  // A picture that is read place by place: by the pointer, and by arrow keys once it has the focus. `grid` gives its
  // columns and rows, `tell` the words for a place. Its name is one text, so that it does not speak by itself.
  const readable = (label, grid, tell) => {
    const canvas = h("canvas", { tabindex: 0, role: "img", "aria-label": label });
    const output = h("output", { class: "small" });
    const self = { canvas, output, at: null };
    const show = (at, loud) => {
      self.at = at;
      output.textContent = at ? tell(...at) : "";
      if (at && loud) say(output.textContent);
      redraw();
    };
    canvas.addEventListener("pointermove", (event) => {
      if (!item || item.empty) return;
      const [columns, rows] = grid();
      const clamp = (v, most) => Math.min(Math.max(Math.floor(v), 0), most - 1);
      show([clamp((columns * event.offsetX) / canvas.clientWidth, columns), clamp((rows * event.offsetY) / canvas.clientHeight, rows)]);
    });
    canvas.addEventListener("pointerleave", () => show(null));
    canvas.addEventListener("blur", () => show(null));
    canvas.addEventListener("keydown", (event) => {
      const [a, b] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
      if (event.key === "Escape") show(null);
      if ((!a && !b) || !item || item.empty) return;
      event.preventDefault();
      const [columns, rows] = grid();
      const by = Math.max(1, Math.round(Math.max(columns, rows) / 50)) * (event.shiftKey ? 5 : 1);
      const [x, y] = self.at ?? [Math.floor(columns / 2) - a * by, Math.floor(rows / 2) - b * by];
      show([Math.min(Math.max(x + a * by, 0), columns - 1), Math.min(Math.max(y + b * by, 0), rows - 1)], true);
    });
    self.again = () => { if (self.at) output.textContent = tell(...self.at); };
    return self;
  };
  const ring = (paint, x, y) => {
    paint.strokeStyle = colour.select;
    paint.lineWidth = 3;
    paint.beginPath();
    paint.arc(x, y, 6, 0, 7);
    paint.stroke();
  };
  const between = ([low, high], part) => low + (high - low) * part;
  const swatch = (kind) => {
    const canvas = h("canvas", { width: 24, height: 24, class: "mark", "aria-hidden": "true" });
    const paint = canvas.getContext("2d");
    paint.scale(2, 2);
    outline(paint, kind % HUES.length, 6, 6, 3.75);
    paint.fillStyle = colour.css[kind % HUES.length];
    paint.fill();
    return canvas;
  };
  const scale = (low, high, signed) => h("div", { class: `scale ${signed ? "signed" : ""}` }, h("span", {}, number(low)), h("span", { class: "ramp", "aria-hidden": "true" }), ...(signed ? [h("span", { class: "middle" }, "0")] : []), h("span", {}, number(high)));

  // Boundary -----------------------------------------------------------------------------------------------------------

  const boundary = () => {
    const side = () => item.shapes.plane[1]; // points of the plane along a side
    const spot = ([column, row], { low, high }) => [between([low[0], high[0]], (column + 0.5) / side()), between([low[1], high[1]], 1 - (row + 0.5) / side())];
    const tell = (column, row) => {
      const { facts, plane } = item;
      const [x, y] = spot([column, row], facts);
      const value = plane[row * side() + column];
      let what = "";
      if (facts.classes > 2) what = `class ${facts.names[value]}, share ${(plane[side() * side() + row * side() + column] / 255).toFixed(2)}`;
      else if (facts.classes) what = `class ${facts.names[value > 127 ? 1 : 0]}, share ${(Math.max(value, 255 - value) / 255).toFixed(2)}`;
      else what = `output ${number(between(facts.range, value / 255))}`;
      return `${number(x)}, ${number(y)}: ${what}`;
    };
    const map = readable("The plane", () => [side(), side()], tell);
    const legend = h("div", { class: "legend small" });
    const stage = document.createElement("canvas");
    let drawn = ""; // the legend that is there
    const draw = ({ facts, plane, points, target, step, words: said }) => {
      const made = sheet(map.canvas);
      if (!made) return;
      const { paint, width, height } = made;
      const many = facts.classes > 2;
      const n = side();
      stage.width = stage.height = n;
      stage.getContext("2d").putImageData(many ? areas(n, plane, facts.classes, colour.hues) : image(n, plane, 0, colour.plane), 0, 0);
      paint.imageSmoothingQuality = "high";
      paint.drawImage(stage, 0, 0, width, height);
      paint.strokeStyle = colour.fg;
      paint.lineWidth = 1.5;
      paint.beginPath();
      const put = ([a, b], [c, d]) => {
        paint.moveTo(((a + 0.5) * width) / n, ((b + 0.5) * height) / n);
        paint.lineTo(((c + 0.5) * width) / n, ((d + 0.5) * height) / n);
      };
      if (!many) crossings(plane, n, 127.5, put);
      else for (let kind = 0; kind < facts.classes; kind++) crossings(belongs(plane, n, kind), n, 127.5, put);
      paint.stroke();
      paint.lineWidth = 1;
      paint.strokeStyle = colour.bg;
      const middle = facts.classes ? 0 : between(facts.range, 0.5);
      for (let i = target.length - 1; i >= 0; i--) {
        const kind = facts.classes ? Math.round(target[i]) % HUES.length : target[i] > middle ? 1 : 0;
        outline(paint, kind, (width * (points[2 * i] - facts.low[0])) / (facts.high[0] - facts.low[0]), height - (height * (points[2 * i + 1] - facts.low[1])) / (facts.high[1] - facts.low[1]), 3.5);
        paint.fillStyle = colour.css[kind];
        paint.fill();
        paint.stroke();
      }
      if (map.at) ring(paint, ((map.at[0] + 0.5) * width) / n, ((map.at[1] + 0.5) * height) / n);
      map.canvas.setAttribute("aria-label", `The plane after step ${whole(step)}: ${said}. Arrow keys read it.`);
      map.again();
      const key = JSON.stringify([facts.names, facts.range, colour.css]);
      if (key === drawn) return;
      drawn = key;
      const line = (word) => h("span", {}, h("i", { class: "line", "aria-hidden": "true" }), word);
      if (facts.classes) legend.replaceChildren(...facts.names.slice(0, 12).map((name, kind) => h("span", {}, swatch(kind), `class ${name}`)), line(many ? "border" : "share 0.5"));
      else legend.replaceChildren(scale(...facts.range), line(`output ${number(middle)}`));
    };
    return { node: h("div", {}, h("div", { class: "square" }, map.canvas), map.output, legend), draw };
  };

  // Confusion ----------------------------------------------------------------------------------------------------------

  const confusion = () => {
    const head = h("tr", {});
    const body = h("tbody", {});
    const inCell = h("div", { class: "in-cell" });
    const table = h("table", {}, h("caption", { class: "hidden" }, "A row for each class, a column for what the model said"), h("thead", {}, head), body);
    let [names, cells, home] = ["", [], [0, 0]];
    const pick = (i, j) => {
      home = [i, j];
      const old = options.confusion?.cell;
      options.confusion = old && old[0] === i && old[1] === j ? {} : { cell: [i, j] };
      roam();
      ask({ new: true });
    };
    const roam = () => {
      const cell = options.confusion?.cell;
      cells.forEach((row, i) => row.forEach((button, j) => {
        button.tabIndex = i === home[0] && j === home[1] ? 0 : -1;
        button.setAttribute("aria-pressed", String(Boolean(cell && cell[0] === i && cell[1] === j)));
      }));
    };
    body.addEventListener("keydown", (event) => {
      const [a, b] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [0, 0];
      if (!a && !b) return;
      event.preventDefault();
      home = [Math.min(Math.max(home[0] + a, 0), cells.length - 1), Math.min(Math.max(home[1] + b, 0), cells.length - 1)];
      roam();
      cells[home[0]][home[1]].focus();
    });
    const build = (facts) => {
      head.replaceChildren(h("td", {}, h("span", { class: "small muted" }, "is \\ said")), ...facts.names.map((name) => h("th", { scope: "col", class: "n" }, name)), h("th", { scope: "col", class: "n" }, "recall"));
      cells = facts.names.map((_, i) => facts.names.map((_, j) => h("button", { type: "button", class: i === j ? "right" : "", onclick: () => pick(i, j) })));
      body.replaceChildren(...facts.names.map((name, i) => h("tr", {}, h("th", { scope: "row", class: "n" }, name), ...cells[i].map((button) => h("td", {}, button)), h("td", { class: "n recall" }))));
      roam();
    };
    const draw = ({ facts, counts, recall }) => {
      const key = JSON.stringify(facts.names);
      if (key !== names) build(facts);
      names = key;
      const size = facts.names.length;
      for (let i = 0; i < size; i++) {
        let most = 1;
        for (let j = 0; j < size; j++) most = Math.max(most, counts[i * size + j]);
        for (let j = 0; j < size; j++) {
          const count = counts[i * size + j];
          const button = cells[i][j];
          button.textContent = count || "·";
          button.style.setProperty("--part", `${Math.round((38 * count) / most)}%`);
          button.setAttribute("aria-label", `is ${facts.names[i]}, said ${facts.names[j]}: ${whole(count)}`);
        }
        body.children[i].lastChild.textContent = Number.isFinite(recall[i]) ? recall[i].toFixed(2) : "–";
      }
      const cell = facts.cell;
      const title = cell && `is ${facts.names[cell[0]]}, said ${facts.names[cell[1]]}: ${whole(counts[cell[0] * size + cell[1]])}`;
      if (cell) inCell.replaceChildren(h("h3", {}, title), facts.rows?.length ? cards(item) : h("p", { class: "small muted" }, "No sample of this kind."));
      else inCell.replaceChildren(h("p", { class: "small muted" }, "A press on a number shows its samples."));
    };
    return { node: h("div", {}, h("div", { class: "scroll" }, table), inCell), draw };
  };

  // Samples ------------------------------------------------------------------------------------------------------------

  const cards = ({ facts, images, shapes }) => {
    const one = (row, i) => {
      let look = null;
      if (images) {
        const [, height, width, channels] = shapes.images;
        look = h("canvas", { width, height, "aria-hidden": "true" });
        const made = new ImageData(width, height);
        for (let p = 0; p < width * height; p++) {
          const at = (i * width * height + p) * channels;
          for (let c = 0; c < 3; c++) made.data[4 * p + c] = images[at + (channels === 3 ? c : 0)];
          made.data[4 * p + 3] = 255;
        }
        look.getContext("2d").putImageData(made, 0, 0);
      } else look = h("p", { class: "values" }, h("code", {}, row.values.join(", ")), row.more ? ` and ${whole(row.more)} more` : "");
      const judged = "right" in row;
      const bars = (row.likely ?? []).map(([name, share]) => {
        const bar = h("span", { class: "bar-of", "aria-hidden": "true" });
        bar.style.setProperty("--part", `${100 * (share ?? 0)}%`);
        return h("li", {}, h("span", {}, name), bar, h("span", { class: "num" }, (share ?? NaN).toFixed(2)));
      });
      return h("li", { class: images ? "" : "plain" }, look, h("div", {},
        judged ? h("strong", { class: row.right ? "good" : "bad" }, row.right ? "✓ right" : "✗ wrong") : null,
        h("p", {}, `is ${row.is}, said ${row.said}`),
        judged ? h("ul", { class: "bars", "aria-label": "shares" }, ...bars) : h("p", { class: "muted" }, `squared error ${number(row.loss)}`)));
    };
    return h("ul", { class: "cards small" }, ...facts.rows.map(one));
  };
  const samples = () => {
    const order = h("select", { onchange: () => { options.samples = { order: order.value }; ask({ new: true }); } });
    const here = h("div", {});
    let known = "";
    const draw = (now) => {
      const key = JSON.stringify(now.facts.orders);
      if (key !== known) order.replaceChildren(...Object.entries(now.facts.orders).map(([value, word]) => h("option", { value }, word)));
      known = key;
      order.value = now.facts.order;
      here.replaceChildren(now.facts.rows.length ? cards(now) : h("p", { class: "muted" }, "None of them is wrong."));
    };
    return { node: h("div", {}, h("label", { class: "field" }, "order ", order), here), draw };
  };

  // Weights ------------------------------------------------------------------------------------------------------------

  const weights = () => {
    let layout = [1, 1]; // columns and rows of tiles
    const tell = (column, row) => {
      const table = item.facts.kind === "table";
      const unit = table ? row : row * layout[0] + column;
      const found = item.facts.rows[unit];
      if (!found) return "";
      const [least, greatest, norm] = found.slice(1).map(number);
      return `unit ${unit}: ${least} to ${greatest}, norm ${norm}`;
    };
    const grid = () => (item.facts.kind === "table" ? [1, item.shapes.tiles[1]] : layout);
    const map = readable("Weights", grid, tell);
    const legend = h("div", { class: "legend small" });
    const stage = document.createElement("canvas");
    const draw = ({ facts, tiles, shapes, step }) => {
      const [count, height, width, channels] = shapes.tiles;
      const table = facts.kind === "table";
      const columns = table ? 1 : Math.min(8, Math.max(Math.ceil(Math.sqrt(count)), 1));
      layout = [columns, Math.ceil(count / columns)];
      [stage.width, stage.height] = [columns * width, layout[1] * height];
      const paper = stage.getContext("2d");
      for (let i = 0; i < count; i++) {
        const made = new ImageData(width, height);
        const pixels = new Uint32Array(made.data.buffer);
        for (let p = 0; p < width * height; p++) {
          const at = (i * width * height + p) * channels;
          if (channels === 1) pixels[p] = colour.signed[tiles[at]];
          else made.data.set([tiles[at], tiles[at + 1], tiles[at + 2], 255], 4 * p);
        }
        paper.putImageData(made, (i % columns) * width, Math.floor(i / columns) * height);
      }
      // A table fills its place; pictures keep their form.
      map.canvas.style.aspectRatio = table ? `4 / ${Math.min(5, Math.max(2, height / 8))}` : `${stage.width} / ${stage.height}`;
      const place_ = sheet(map.canvas);
      if (!place_) return;
      const { paint, width: w, height: t } = place_;
      paint.imageSmoothingEnabled = false;
      if (table) paint.drawImage(stage, 0, 0, w, t);
      else for (let i = 0; i < count; i++) {
        const [x, y] = [i % columns, Math.floor(i / columns)];
        const spot = [(w * x) / columns + 2, (t * y) / layout[1] + 2, w / columns - 4, t / layout[1] - 4];
        paint.drawImage(stage, x * width, y * height, width, height, ...spot);
        paint.strokeStyle = colour.line;
        paint.lineWidth = 1;
        paint.strokeRect(...spot);
      }
      if (map.at) {
        const [a, b] = grid();
        paint.strokeStyle = colour.select;
        paint.lineWidth = 3;
        paint.strokeRect((w * map.at[0]) / a + 1.5, (t * map.at[1]) / b + 1.5, w / a - 3, t / b - 3);
      }
      map.canvas.setAttribute("aria-label", `${facts.name}, ${facts.units}, after step ${whole(step)}. Arrow keys read it.`);
      map.again();
      const what = table ? "a row for each unit, a column for each input" : facts.kind === "pictures" ? "a picture for each unit" : facts.kind;
      legend.replaceChildren(channels === 1 ? scale(-facts.most, facts.most, true) : h("span", {}, "red, green and blue; grey is 0"), h("span", { class: "muted" }, what + (facts.cut ? `; ${facts.cut}` : "")));
    };
    return { node: h("div", {}, h("div", { class: "sheet" }, map.canvas), map.output, legend), draw };
  };

  // Values and gradients of layers -------------------------------------------------------------------------------------

  const gradients = () => {
    const rows = h("div", { class: "layers" });
    const picture = (kind, counts) => {
      const most = Math.max(...counts, 1);
      const [width, height] = [counts.length * 3, 28];
      const path = [...counts].map((count, i) => (count ? `M${3 * i} ${height}v${(-height * Math.sqrt(count / most)).toFixed(1)}h3V${height}z` : "")).join("");
      const node = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      for (const [name, value] of [["class", kind], ["viewBox", `0 0 ${width} ${height}`], ["preserveAspectRatio", "none"], ["aria-hidden", "true"]]) node.setAttribute(name, value);
      node.innerHTML = `<path class="zero" d="M${width / 2} 0V${height}"/><path d="${path}"/><path class="ground" d="M0 ${height}H${width}"/>`;
      return node;
    };
    const draw = ({ facts, values, gradients: back, shapes }) => {
      const bins = shapes.values[1];
      rows.replaceChildren(
        h("div", { class: "layer heads small muted" }, h("span", {}, "values"), h("span", {}, "gradients")),
        ...facts.layers.map((layer, i) => h("section", { class: "layer", "aria-label": `${layer.name}: values up to ${number(layer.value_end)} in size, gradients up to ${number(layer.gradient_end)}` },
          h("h3", {}, layer.name, layer.said ? h("span", { class: "trouble" }, layer.said) : null),
          h("figure", {}, picture("values", values.subarray(i * bins, (i + 1) * bins)), h("figcaption", {}, `±${number(layer.value_end)}`)),
          h("figure", {}, picture("back", back.subarray(i * bins, (i + 1) * bins)), h("figcaption", {}, `±${number(layer.gradient_end)}`)))),
        h("p", { class: "small muted" }, "Each picture goes from −end to end, 0 in the middle; heights are square roots of counts."));
    };
    return { node: rows, draw };
  };

  // Loss surface -------------------------------------------------------------------------------------------------------

  const surface = () => {
    const side = () => item.shapes.values[0];
    const tell = (column, row) => {
      const { low, high } = item.facts;
      const n = side();
      return `${number(between([low[0], high[0]], column / (n - 1)))}, ${number(between([low[1], high[1]], 1 - row / (n - 1)))}: loss ${number(item.values[row * n + column])}`;
    };
    const map = readable("The loss", () => [side(), side()], tell);
    const legend = h("div", { class: "legend small" });
    const start = h("button", { type: "button", onclick: () => ask({ act: "start", new: true }) }, "compute it");
    const stop = h("button", { type: "button", hidden: true, onclick: () => ask({ act: "cancel", new: true }) }, "stop");
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Loss surface" });
    const going = h("span", { class: "group", hidden: true }, bar, stop);
    const hint = h("p", { class: "small muted" });
    const figure = h("div", { class: "stack" }, h("div", { class: "square" }, map.canvas), map.output, legend);
    // Losses as shares from the least to the greatest; by their logarithms where they lie far apart.
    const shares = (values) => {
      const fine = [...values].filter(Number.isFinite);
      let [low, high] = [Math.min(...fine), Math.max(...fine)];
      const far = low > 0 && high > 20 * low;
      const of = (v) => (far ? Math.log(v) : v);
      [low, high] = [of(low), of(high)];
      return { low, high, far, all: Float32Array.from(values, (v) => (Number.isFinite(v) ? (of(v) - low) / (high - low || 1) : 1)) };
    };
    const draw = ({ facts, values, way, step, words: said }) => {
      if (!values) return;
      const made = sheet(map.canvas);
      if (!made) return;
      const { paint, width, height } = made;
      const n = side();
      const { low, high, far, all } = shares(values);
      const stage = Object.assign(document.createElement("canvas"), { width: n, height: n });
      const inks = shades(colour.hues, (v) => [0, 0.05 + 0.6 * (1 - Math.round((10 * v) / 255) / 10)]);
      stage.getContext("2d").putImageData(image(n, Uint8Array.from(all, (v) => 255 * v), 0, inks), 0, 0);
      // The middle of the first pixel is the first place.
      const [cell, rise] = [width / (n - 1), height / (n - 1)];
      paint.imageSmoothingQuality = "high";
      paint.drawImage(stage, -cell / 2, -rise / 2, width + cell, height + rise);
      paint.strokeStyle = colour.muted;
      paint.lineWidth = 0.75;
      paint.beginPath();
      for (let level = 1; level < 10; level++) crossings(all, n, level / 10, ([a, b], [c, d]) => { paint.moveTo(a * cell, b * rise); paint.lineTo(c * cell, d * rise); });
      paint.stroke();
      const spots = [];
      for (let i = 0; i < way.length; i += 2) spots.push([way[i], way[i + 1]]);
      spots.push([0, 0]);
      const at = ([x, y]) => [(width * (x - facts.low[0])) / (facts.high[0] - facts.low[0]), height - (height * (y - facts.low[1])) / (facts.high[1] - facts.low[1])];
      if (facts.kind === "principal") {
        paint.strokeStyle = colour.fg;
        paint.lineWidth = 1.75;
        paint.beginPath();
        spots.forEach((spot, i) => (i ? paint.lineTo(...at(spot)) : paint.moveTo(...at(spot))));
        paint.stroke();
        paint.fillStyle = colour.fg;
        for (const spot of spots) {
          paint.beginPath();
          paint.arc(...at(spot), 2.25, 0, 7);
          paint.fill();
        }
        const [x, y] = at(spots[0]);
        paint.fillStyle = colour.bg;
        paint.beginPath();
        paint.arc(x, y, 4, 0, 7);
        paint.fill();
        paint.stroke();
      }
      const [x, y] = at([0, 0]);
      outline(paint, 3, x, y, 5);
      paint.fillStyle = colour.css[1];
      paint.strokeStyle = colour.bg;
      paint.lineWidth = 1;
      paint.fill();
      paint.stroke();
      if (map.at) ring(paint, map.at[0] * cell, map.at[1] * rise);
      map.canvas.setAttribute("aria-label", `The loss around the weights of step ${whole(step)}: ${said}. Arrow keys read it.`);
      map.again();
      const back = (v) => (far ? Math.exp(v) : v);
      const ramp = scale(back(low), back(high));
      ramp.classList.add("deep");
      const from = facts.kind === "principal" ? [h("span", {}, h("i", { class: "open", "aria-hidden": "true" }), `step ${whole(facts.steps[0])}`)] : [];
      legend.replaceChildren(ramp, ...from, h("span", {}, h("i", { class: "here", "aria-hidden": "true" }), `weights of step ${whole(step)}`), h("span", { class: "muted" }, `${facts.directions}${far ? "; logarithmic" : ""}.`));
    };
    // How far it is: also without a picture.
    const progress = ({ busy, asked, step }, state) => {
      const on = busy != null;
      if (on && stop.hidden && document.activeElement === start) requestAnimationFrame(() => stop.focus());
      if (!on && !stop.hidden && document.activeElement === stop) requestAnimationFrame(() => start.focus());
      [start.hidden, going.hidden, stop.hidden] = [on, !on, !on];
      if (on) bar.value = busy;
      start.textContent = asked ? "compute it anew" : "compute it";
      figure.hidden = !asked;
      if (on) hint.textContent = state === "running" ? "While the run goes on this takes a hundredth of its time. A pause makes it quick." : "625 losses of the same samples, at places around the weights.";
      else hint.textContent = asked ? "" : "The loss around the weights of now, along two directions, with the way that the run came: 625 losses of the same samples.";
      hint.hidden = !hint.textContent;
    };
    return { node: h("div", {}, h("div", { class: "group acts" }, start, going), hint, figure), draw, progress };
  };

  const parts = { boundary: boundary(), confusion: confusion(), samples: samples(), weights: weights(), gradients: gradients(), surface: surface() };

  // Messages -----------------------------------------------------------------------------------------------------------

  const show = (got, buffers, state) => {
    const values = {};
    const shapes = {};
    got.arrays.forEach(([name, dtype, shape], i) => {
      values[name] = ARRAYS[dtype](buffers[1 + got.at + i]); // the first buffer is the curves'
      shapes[name] = shape;
    });
    item = { ...got, ...values, shapes };
    const part = parts[item.name];
    part.progress?.(item, state);
    const nothing = item.name === "surface" && !item.asked && !item.empty;
    empty.hidden = !item.empty;
    empty.textContent = item.empty;
    place.hidden = Boolean(item.empty) && item.name !== "surface";
    words.textContent = nothing || item.empty ? "" : `After step ${whole(item.step)}: ${item.words}.${item.facts.samples ? ` From ${item.facts.samples}.` : ""}`;
    text.hidden = Boolean(item.empty) || nothing;
    if (item.text) written.textContent = item.text;
    if (!nothing) redraw();
  };
  const update = (now, message, buffers) => {
    for (const got of message?.views ?? []) if (got.who === id && got.name === chosen) show(got, buffers, now.state);
  };

  choose(chosen);
  const beat = setInterval(() => { if (seen && document.visibilityState === "visible") ask(); }, HEARD);
  const watch = new IntersectionObserver((entries) => {
    const now = entries[entries.length - 1].isIntersecting;
    if (now === seen) return;
    seen = now;
    ask(seen ? { new: true } : {});
  });
  watch.observe(root);
  const sized = new ResizeObserver(redraw);
  sized.observe(root);
  return {
    update,
    theme() { colour = null; redraw(); },
    remove() {
      clearInterval(beat);
      watch.disconnect();
      sized.disconnect();
      cancelAnimationFrame(frame);
      seen = false;
      ask();
    },
  };
}
