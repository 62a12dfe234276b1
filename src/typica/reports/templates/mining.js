"use strict";
(function () {
  document.documentElement.classList.add("script");
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const page = json("page-data");
  const titles = Object.fromEntries(page.models.map((one) => [one.name, one.title]));
  const blocks = new Map();  // A label is decoded when it is first looked at, and not before.
  const block = (label) => {
    if (!blocks.has(label)) blocks.set(label, json("label-data-" + page.labels.indexOf(label)));
    return blocks.get(label);
  };
  const webp = (data) => "data:image/webp;base64," + data;
  const make = (name, attributes = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(key, value);
    node.append(...children);
    return node;
  };
  const percent = (share) => share === null ? "–" : Math.round(100 * share) + "\u00a0%";
  const plain = (value, digits = 3) => value === null ? "–" : value === 0 ? "0" : Math.abs(value).toPrecision(digits);
  const sign = (value) => value < 0 ? "−" : value > 0 ? "+" : "";
  const signed = (value, digits = 3) => value === null ? "–" : sign(value) + plain(value, digits);
  // A value with the error behind it, both to the second digit of the error.
  function withError(value, error) {
    if (value === null || !error) return signed(value);
    const decimals = Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(error))));
    return sign(value) + Math.abs(value).toFixed(decimals) + " ± " + error.toFixed(decimals);
  }
  const score = (one) => withError(one.t, one.e);
  const kinds = {typical: "most typical", random: "random", least: "least typical"};

  // The address of the page says what is shown, so that everything can be linked to.
  function address(state) {
    const parts = ["label", "element", "list", "model"].filter((key) => state[key] !== undefined && state[key] !== null && state[key] !== "");
    return "#" + parts.map((key) => key + "=" + encodeURIComponent(state[key])).join("&");
  }
  function route() {
    const values = new URLSearchParams(location.hash.slice(1));
    const label = values.get("label");
    if (!page.labels.includes(label)) return null;
    const results = block(label).results;
    const asked = values.get("model");
    const known = page.models.map((one) => one.name).filter((name) => results[name]);
    const model = asked === "both" && known.length > 1 ? "both" : known.includes(asked) ? asked : known[0];
    return {label, model, element: values.get("element"), list: values.get("list")};
  }

  // ---- one label ----
  const body = document.getElementById("label-body");
  let shown = null;

  function thumb(label, model, row, list) {
    const data = block(label), one = data.results[model].elements[row];
    const title = score(one) + " · " + data.pictures[one.p].id;
    const words = kinds[one.k] + " no. " + (one.n + 1) + ", typicality " + score(one) + ", from " + data.pictures[one.p].id;
    const above = one.i === undefined ? document.getElementById("t-" + model + "-" + row) : null;
    const source = above ? above.src : one.i ? webp(one.i) : "";
    const image = source ? make("img", {alt: words, src: source, decoding: "async"}) : make("span", {class: "gone", role: "img", "aria-label": words + ": picture not found"});
    return make("a", {class: "patch" + (one.flat ? " doubtful" : ""), href: address({label, element: row, list, model}), "aria-haspopup": "dialog", title}, image);
  }

  function strip(label, model, list, rows, words) {
    const thumbs = make("div", {class: "patches"}, ...rows.map((row) => thumb(label, model, row, list)));
    return make("div", {class: "strip-row"}, make("h4", {}, words), rows.length ? thumbs : make("p", {class: "empty"}, "None."));
  }

  function cluster(label, model, one) {
    const facts = make("p", {class: "cluster-facts"},
      make("b", {class: "median"}, withError(one.median, one.error)), " ",
      make("span", {}, one.size + (one.size === 1 ? " element" : " elements")), " ",
      make("span", {}, "stability " + percent(one.stability)));
    for (const [short, words] of one.flags) facts.append(" ", make("span", {class: "flag", title: words}, short));
    const thumbs = make("div", {class: "patches"}, ...one.members.map((row) => thumb(label, model, row)));
    const rest = one.size - one.members.length;
    const more = rest > 0 ? [make("p", {class: "rest"}, "and " + rest + " more, farther from the middle, not in this page")] : [];
    return make("li", {class: "cluster"}, make("h4", {}, String(one.rank + 1)), make("div", {}, facts, thumbs, ...more));
  }

  function column(label, model) {
    const result = block(label).results[model];
    if (!result) return make("div", {}, make("p", {class: "empty"}, "Not scored by this model."));
    const items = result.clusters.map((one) => cluster(label, model, one));
    const left = result.hidden ? [make("p", {class: "small"}, result.hidden + " more clusters, less typical, are not in this page.")] : [];
    return make("div", {class: "column"},
      make("h3", {}, "Most typical, random, least typical", ...(page.models.length > 1 ? [" ", make("small", {}, titles[model])] : [])),
      strip(label, model, "typical", result.typical, "most"),
      strip(label, model, "random", result.random, "random"),
      strip(label, model, "least", result.least, "least"),
      make("h3", {}, "Clusters ", make("small", {}, "of the " + result.total + " most typical elements, in the order of their median; in each, the members nearest to its middle first")),
      items.length ? make("ol", {class: "clusters"}, ...items) : make("p", {class: "empty"}, "No clusters."), ...left);
  }

  function showLabel(state) {
    const key = state.label + "\n" + state.model;
    if (shown === key) return;
    shown = key;
    const data = block(state.label);
    const names = state.model === "both" ? page.models.map((one) => one.name) : [state.model];
    const told = data.prompt ? [make("span", {}, "told as “" + data.prompt + "”")] : [];
    const count = data.count === null ? [] : [make("span", {}, data.count + (data.count === 1 ? " picture" : " pictures"))];
    body.replaceChildren(
      make("p", {class: "big-name", dir: "auto"}, data.name), make("p", {class: "under-name"}, ...count, ...told),
      make("div", {class: "columns" + (names.length > 1 ? " two" : "")}, ...names.map((name) => column(state.label, name))));
    for (const one of document.querySelectorAll(".picker [data-label]")) {
      one.href = address({label: one.dataset.label, model: state.model});
      if (one.dataset.label === state.label) one.setAttribute("aria-current", "true"); else one.removeAttribute("aria-current");
    }
    for (const one of document.querySelectorAll(".picker [data-model]")) one.setAttribute("aria-pressed", String(one.dataset.model === state.model));
  }

  // ---- one element ----
  const dialog = document.getElementById("element");
  const find = (selector) => dialog.querySelector(selector);
  const canvas = find("canvas"), image = find(".stage img"), drawing = find(".stage svg");
  let open = null;

  function neighbours(state) {
    const result = block(state.label).results[state.model], row = Number(state.element);
    if (state.list && result[state.list]) return result[state.list];
    const home = result.clusters.find((one) => one.members.includes(row));
    if (home) return home.members;
    return ["typical", "random", "least"].map((name) => result[name]).find((rows) => rows.includes(row)) || [row];
  }

  // The map as running sums: the mean over any rectangle is four look-ups, exact for the cells.
  function summed(map) {
    const [rows, columns, unit, text] = map, raw = atob(text);
    const sums = new Float64Array((rows + 1) * (columns + 1));
    for (let r = 0; r < rows; r++) {
      let line = 0;
      for (let c = 0; c < columns; c++) {
        line += ((raw.charCodeAt(r * columns + c) << 24) >> 24) * unit;
        sums[(r + 1) * (columns + 1) + c + 1] = sums[r * (columns + 1) + c + 1] + line;
      }
    }
    const at = (y, x) => {
      const r = Math.min(rows - 1e-9, Math.max(0, y * rows)), c = Math.min(columns - 1e-9, Math.max(0, x * columns));
      const i = Math.floor(r), j = Math.floor(c), v = r - i, u = c - j, k = i * (columns + 1) + j;
      return (1 - v) * ((1 - u) * sums[k] + u * sums[k + 1]) + v * ((1 - u) * sums[k + columns + 1] + u * sums[k + columns + 2]);
    };
    return {
      cell: [1 / columns, 1 / rows],
      mean(x, y, width, height) {
        const left = Math.max(0, x - width / 2), right = Math.min(1, x + width / 2);
        const top = Math.max(0, y - height / 2), bottom = Math.min(1, y + height / 2);
        return (at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left)) / ((right - left) * columns * (bottom - top) * rows);
      },
    };
  }
  function colour(share) {
    const place = (Math.max(-1, Math.min(1, share)) + 1) / 2 * (page.colours.length - 1);
    const low = Math.min(page.colours.length - 2, Math.floor(place)), part = place - low;
    return page.colours[low].map((value, i) => value + part * (page.colours[low + 1][i] - value));
  }

  function valueAt(x, y) {
    const size = open.grain === "patch" ? [open.one.b[2], open.one.b[3]] : open.map.cell;
    return open.map.mean(x, y, size[0], size[1]);
  }

  function drawHeat() {
    const map = open.data.pictures[open.one.p].maps[open.mapModel];
    const on = Boolean(map) && find(".heat-on").checked;
    canvas.hidden = !on;
    find(".scale").style.visibility = on ? "visible" : "hidden";
    find(".readout").textContent = map ? "" : "There is no map of this picture.";
    if (!map) { open.map = null; return; }
    open.map = summed(map);
    open.grain = find(".grain").value;
    const model = page.models.find((one) => one.name === open.mapModel);
    const limit = open.grain === "patch" ? model.patch : model.cell;
    find(".scale .low").textContent = "≤ −" + limit;
    find(".scale .high").textContent = "≥ +" + limit;
    say(open.one.b[0] + open.one.b[2] / 2, open.one.b[1] + open.one.b[3] / 2, "In the box");
    if (!on) return;
    const picture = open.data.pictures[open.one.p], longest = 420 / Math.max(picture.w, picture.h);
    canvas.width = Math.max(1, Math.round(picture.w * longest));
    canvas.height = Math.max(1, Math.round(picture.h * longest));
    canvas.style.opacity = find(".opacity").value / 100;
    const context = canvas.getContext("2d"), pixels = context.createImageData(canvas.width, canvas.height);
    for (let y = 0, k = 0; y < canvas.height; y++) {
      for (let x = 0; x < canvas.width; x++, k += 4) {
        const share = valueAt((x + 0.5) / canvas.width, (y + 0.5) / canvas.height) / limit;
        // What is below zero is hatched, so that the sign can be told without colour.
        const hatch = share < -0.12 && (x + y) % 9 < 1.5 ? 0.72 : 1;
        const rgb = colour(share);
        for (let i = 0; i < 3; i++) pixels.data[k + i] = hatch * rgb[i];
        pixels.data[k + 3] = 255;
      }
    }
    context.putImageData(pixels, 0, 0);
  }
  function say(x, y, words) {
    if (open && open.map) find(".readout").textContent = words + ": " + signed(valueAt(x, y)) + (open.grain === "patch" ? " (mean over a patch)" : " (one cell)");
  }

  function frame(one, kind) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const [x, y, width, height] = one.b.map((value) => 100 * value);
    for (const [key, value] of Object.entries({x, y, width, height, class: kind})) node.setAttribute(key, value);
    return node;
  }

  function facts(pairs) {
    find("dl").replaceChildren(...pairs.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  }

  function showElement(state) {
    const data = block(state.label), result = data.results[state.model];
    const one = result && result.elements[state.element];
    if (!one) return leave();
    const picture = data.pictures[one.p];
    const home = result.clusters.find((item) => item.members.includes(Number(state.element)));
    const mapModels = page.models.map((item) => item.name).filter((name) => picture.maps[name]);
    const kept = open && mapModels.includes(open.mapModel) && open.state.model === state.model ? open.mapModel : null;
    open = {state, data, one, mapModel: kept || (mapModels.includes(state.model) ? state.model : mapModels[0])};
    find("#element-title").replaceChildren(make("b", {dir: "auto"}, data.name), make("small", {}, kinds[one.k] + " no. " + (one.n + 1)));
    const gone = !picture.image;
    image.hidden = gone;
    find(".gone-note").hidden = !gone;
    if (gone) image.removeAttribute("src"); else image.src = webp(picture.image);
    image.alt = "The whole picture " + picture.id + ", with the patch framed";
    find(".stage").style.setProperty("--ratio", String(picture.w / picture.h));
    const others = Object.values(result.elements).filter((other) => other.p === one.p && other !== one && other.k === "typical");
    drawing.replaceChildren(...others.map((other) => frame(other, "other")), frame(one, "halo"), frame(one, "this"));
    const corner = one.b.slice(0, 2).map((value, i) => Math.round(value * [picture.w, picture.h][i]));
    const size = one.b.slice(2).map((value, i) => Math.round(value * [picture.w, picture.h][i]));
    facts([
      ["Typicality", score(one)],
      ["Rank", "no. " + (one.n + 1) + " of the " + (one.k === "random" ? "random patches" : kinds[one.k])],
      ["Cluster", home ? "no. " + (home.rank + 1) + (one.d === undefined ? "" : ", " + plain(one.d, 2) + " from its middle") : "–"],
      ["Picture", picture.id],
      ["Place", corner[0] + ", " + corner[1] + " px; " + size[0] + " × " + size[1] + " px of " + picture.w + " × " + picture.h],
      ...(page.models.length > 1 ? [["Found by", titles[state.model]]] : []),
    ]);
    const warnings = [];
    if (one.edge) warnings.push("It touches the edge of the picture.");
    if (one.flat) warnings.push("It shows hardly any contrast.");
    if (one.e !== null && Math.abs(one.t) < 2 * one.e) warnings.push("Not certain to differ from zero.");
    find(".warnings").replaceChildren(...warnings.map((words) => make("p", {class: "warn"}, words)));
    find(".model-choice").hidden = mapModels.length < 2;
    find(".map-model").replaceChildren(...mapModels.map((name) => make("option", {value: name}, titles[name])));
    if (open.mapModel) find(".map-model").value = open.mapModel;
    open.list = neighbours(state);
    open.at = open.list.indexOf(Number(state.element));
    find(".place").textContent = open.at + 1 + " of " + open.list.length;
    find(".before").disabled = open.at <= 0;
    find(".after").disabled = open.at >= open.list.length - 1;
    drawHeat();
    if (!dialog.open) dialog.showModal();
  }

  function turn(step) {
    const row = open && open.list[open.at + step];
    if (row !== undefined) location.replace(address({...open.state, element: row}));
  }

  function leave() {
    if (dialog.open) dialog.close();
    if (!open) return;
    const {label, model} = open.state;
    open = null;
    history.replaceState(null, "", address({label, model: page.both ? "both" : model}));
  }

  find(".before").addEventListener("click", () => turn(-1));
  find(".after").addEventListener("click", () => turn(1));
  find(".close").addEventListener("click", leave);
  find(".heat-on").addEventListener("change", drawHeat);
  find(".grain").addEventListener("change", drawHeat);
  find(".map-model").addEventListener("change", () => { open.mapModel = find(".map-model").value; drawHeat(); });
  find(".opacity").addEventListener("input", () => { canvas.style.opacity = find(".opacity").value / 100; });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) leave(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.target.matches("input,select")) return;
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  });
  dialog.addEventListener("close", leave);  // by the Escape key
  find(".stage").addEventListener("pointermove", (event) => {
    const area = find(".stage").getBoundingClientRect();
    say((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height, "Under the pointer");
  });

  for (const one of document.querySelectorAll(".picker [data-model]")) {
    one.addEventListener("click", () => {
      page.both = one.dataset.model === "both";
      const state = route() || {label: page.labels[0]};
      history.replaceState(null, "", address({label: state.label, model: one.dataset.model}));
      showLabel(route());
    });
  }

  // ---- where we are ----
  const goToLabel = (now) => document.getElementById("label").scrollIntoView({behavior: now ? "instant" : "auto"});
  function follow(first) {
    const state = route();
    if (!state) {
      open = null;
      leave();
      if (first && page.labels.length && page.models.length) showLabel({label: page.labels[0], model: page.models[0].name});
      return;
    }
    if (state.element === null) {
      page.both = state.model === "both";
      open = null;  // the address is already what it should be
      leave();
      showLabel(state);
      goToLabel(first);
      return;
    }
    if (state.model === "both") state.model = page.models[0].name;
    showLabel(page.both ? {...state, model: "both"} : state);
    if (first) goToLabel(true);
    showElement(state);
  }
  window.addEventListener("hashchange", () => follow(false));
  follow(true);
})();
