// The toggle between eager and graph mode: two radio buttons drawn as one segment.

export default {
  render({ model, el }) {
    const name = own("mode");
    const words = model.get("words");
    const status = h("div", { class: "status", role: "status" });
    const radios = Object.keys(words).map((mode) => {
      const radio = h("input", { type: "radio", name, value: mode });
      radio.addEventListener("change", () => {
        model.set("mode", mode);
        model.save_changes();
      });
      return radio;
    });
    const segment = h(
      "fieldset",
      { class: "segment", "aria-label": "mode" },
      ...radios.map((radio) => h("label", {}, radio, radio.value)),
    );
    const root = h(
      "section",
      { class: "lab toggle", "aria-label": "mode: eager or graph" },
      h("header", { class: "bar" }, h("h2", {}, h("span", { class: "muted" }, "mode:"), " how code runs"), segment),
      status,
    );
    shield(root);

    function draw() {
      const now = model.get("mode");
      for (const radio of radios) radio.checked = radio.value === now;
      status.textContent = words[now];
    }
    draw();
    model.on("change:mode", draw);
    el.append(root);
    return () => model.off("change:mode", draw);
  },
};
