"use strict";
(function () {
  document.documentElement.classList.add("script");
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const [high, wide] = page.size;
  const all = (selector, root) => [...(root || document).querySelectorAll(selector)];
  function make(name, attributes, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }
  const rules = document.head.appendChild(document.createElement("style")).sheet;

  // ---- pixels ----
  // The sheets stand in the style sheet, once; their pixels are read from there when needed.
  const sheetUri = (s) => {
    const probe = document.body.appendChild(make("i", {class: "p" + s, hidden: ""}));
    const found = getComputedStyle(probe).backgroundImage.slice(4, -1).replace(/"/g, "");
    probe.remove();
    return found;
  };
  const kept = new Map();
  function pixels(key, uri) {
    if (!kept.has(key)) {
      kept.set(key, new Promise((done) => {
        const image = new Image();
        image.onload = () => {
          const canvas = make("canvas", {width: image.width, height: image.height});
          const context = canvas.getContext("2d", {willReadFrequently: true});
          context.drawImage(image, 0, 0);
          done(context.getImageData(0, 0, image.width, image.height));
        };
        image.src = uri();
      }));
    }
    return kept.get(key);
  }
  const ink = (s) => pixels("p" + s, () => sheetUri(s));
  const errors = (g) => pixels("e" + g, () => page.errors[g]);

  // Colours of a signed difference (1 to -1) and of a standard error (0 to 1, below 0 unknown).
  function signed(value, to, at) {
    const share = Math.min(1, Math.abs(value) / page.limit), end = page.signs[value > 0 ? 0 : 1];
    for (let i = 0; i < 3; i++) to[at + i] = 255 + share * (end[i] - 255);
    to[at + 3] = 255;
  }
  function uncertain(byte, to, at) {
    const end = byte === 255 ? page.signs[2] : [70, 30, 90], share = byte === 255 ? 1 : byte / 250;
    for (let i = 0; i < 3; i++) to[at + i] = 255 + share * (end[i] - 255);
    to[at + 3] = 255;
  }
  async function painted(source, other) {  // a whole picture, or a part of it, in colours
    const made = new ImageData(source.width, source.height);
    for (let i = 0; i < source.data.length; i += 4) {
      if (other) signed((other.data[i] - source.data[i]) / 255, made.data, i);
      else uncertain(source.data[i], made.data, i);
    }
    return made;
  }
  function canvasOf(image) {
    const canvas = make("canvas", {width: image.width, height: image.height});
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }
  function part(image, k) {
    const x = (k % page.columns) * (wide + 2 * page.pad) + page.pad;
    const y = Math.floor(k / page.columns) * (high + 2 * page.pad) + page.pad;
    const cut = make("canvas", {width: wide, height: high});
    cut.getContext("2d").putImageData(image, -x, -y, x, y, wide, high);
    return cut;
  }

  // ---- the alphabet table ----
  const table = document.querySelector(".alphabet table");
  const facts = all("thead th[data-k]", table).map((th) => Number(th.dataset.k));
  const views = new Map(facts.map((k, place) => [k, {place, rare: table.querySelector(`thead th[data-k="${k}"]`).classList.contains("rare")}]));
  let order = "place";
  const differs = (k) => {
    const known = page.pairs ? page.pairs.distance[k].filter((d) => d !== null) : [];
    return known.length ? known.reduce((a, b) => a + b) / known.length : -1;
  };
  const counted = (k) => page.counts.reduce((sum, row) => sum + row[k], 0);
  const keys = {place: (k) => views.get(k).place, count: (k) => -counted(k), differs: (k) => -differs(k)};

  function wantedLetters() {
    const text = document.getElementById("wanted").value.normalize("NFC").trim();
    if (!text) return null;
    const cut = (word) => window.Intl && Intl.Segmenter ? [...new Intl.Segmenter().segment(word)].map((one) => one.segment) : [...word];
    return new Set(text.split(/[\s,;]+/).flatMap((word) => [word, ...cut(word)]));
  }
  function arrange() {
    const wanted = wantedLetters(), rare = document.getElementById("rare").checked;
    const visible = new Map();
    for (const k of facts) {
      const label = page.letters[k].label;
      visible.set(k, wanted ? wanted.has(label) || wanted.has(label.replace(/ \(\d+\)$/, "")) : rare || !views.get(k).rare);
    }
    const rank = [...facts].sort((a, b) => keys[order](a) - keys[order](b) || views.get(a).place - views.get(b).place);
    for (const row of table.rows) {
      const cells = new Map([...row.children].slice(1).map((cell) => [Number(cell.dataset.k), cell]));
      row.append(...rank.map((k) => cells.get(k)));
      for (const [k, cell] of cells) cell.hidden = !visible.get(k);
    }
  }
  for (const id of ["wanted", "rare"]) document.getElementById(id).addEventListener("input", arrange);
  for (const button of all("[data-order]")) {
    button.addEventListener("click", () => {
      order = button.dataset.order;
      for (const one of all("[data-order]")) one.setAttribute("aria-pressed", String(one === button));
      arrange();
    });
  }
  for (const button of all("#groups button")) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      table.querySelector(`tr[data-sheet="${button.dataset.sheet}"]`).hidden = !on;
    });
  }
  document.getElementById("zoom").addEventListener("input", (event) => table.style.setProperty("--z", event.target.value));

  async function showWhat(value) {
    while (rules.cssRules.length) rules.deleteRule(0);
    document.querySelector(".key .signed").hidden = value === "" || value === "error";
    document.querySelector(".key .errors").hidden = value !== "error";
    if (value === "") return;
    const other = value === "error" ? null : await ink(Number(value));
    for (const [s, sheet] of page.sheets.entries()) {
      if (!other && sheet.group < 0) continue;
      const made = other ? await painted(await ink(s), other) : await painted(await errors(sheet.group));
      rules.insertRule(`.alphabet .p${s}{background-image:url(${canvasOf(made).toDataURL()})}`, 0);
    }
  }
  document.getElementById("what").addEventListener("change", (event) => showWhat(event.target.value));

  // ---- the panel of a letter ----
  const dialog = document.getElementById("panel");
  const find = (selector) => dialog.querySelector(selector);
  let state = null;
  // An address names letter and groups, so that it holds for the next report of the same job too.
  // A family may be called like one of its documents: the second of a name is "name (2)".
  const apart = (names) => names.map((name, i) => { const before = names.slice(0, i).filter((one) => one === name).length; return before ? name + " (" + (before + 1) + ")" : name; });
  const letterNames = apart(page.letters.map((one) => one.label)), sheetNames = apart(page.sheets.map((one) => one.name));
  const address = (one) => "#" + new URLSearchParams({letter: letterNames[one.k], group: sheetNames[one.s], ...(one.o === null ? {} : {with: sheetNames[one.o]})});
  function numberOf(names, name) {
    const exact = names.indexOf(name);
    return exact < 0 ? names.findIndex((one) => one.normalize("NFC") === name.normalize("NFC")) : exact;
  }
  function route() {
    const given = new URLSearchParams(location.hash.slice(1));
    if (!given.has("letter")) return null;
    const k = numberOf(letterNames, given.get("letter")), o = given.has("with") ? numberOf(sheetNames, given.get("with")) : null;
    if (k < 0 || o === -1) return null;
    const s = given.has("group") ? numberOf(sheetNames, given.get("group")) : firstOf(k);
    return s < 0 ? null : {k, s, o};
  }
  const firstOf = (k) => groupSheets.find((s) => page.counts[page.sheets[s].group][k]) ?? groupSheets[0];
  const groupSheets = page.sheets.map((one, s) => s).filter((s) => page.sheets[s].group >= 0);
  const open = (one) => { if (address(one) === location.hash) follow(); else location.hash = address(one); };

  function figure(title, words, canvas, few) {
    const frame = make("div", {class: "frame"}, canvas);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", title);
    return make("figure", {}, make("figcaption", {}, make("b", {}, title), words), frame);
  }
  const number = (value, digits) => value === null || value === undefined ? "–" : value.toFixed(digits);
  const chance = (value) => value === null ? "–" : value < 0.001 ? "<\u00a00.001" : value.toFixed(value < 0.1 ? 3 : 2);

  // Where the pair a < b of groups stands in the lists of pairs.
  function pairOf(a, b) {
    const n = page.counts.length;
    if (a > b) [a, b] = [b, a];
    return a * (2 * n - a - 1) / 2 + b - a - 1;
  }
  function verdict(k, a, b) {
    if (a < 0 || b < 0) return "The reference and whole families hold the same lines as the groups, so there is no test of this difference.";
    const few = [a, b].filter((g) => !page.use[g][k]);
    if (few.length) return "Too few occurrences to compare: at least " + page.least + " are needed in both.";
    if ([a, b].some((g) => page.leftOut[g][k])) return "Left out of the comparison for a flag.";
    const q = page.pairs.q[k][pairOf(a, b)];
    if (q === null) return "Whether this is more than chance is not known.";
    if (q <= 0.05) return "More than chance explains (q " + chance(q) + "). Look at the occurrences whether they all show it.";
    return "No more than chance explains (q " + chance(q) + "). That does not prove that the two are alike.";
  }
  function testTable(k, a, b) {
    if (a < 0 || b < 0 || !page.pairs) return [];
    const i = pairOf(a, b), value = (name) => page.pairs[name][k][i];
    const rows = [["Distance", number(value("distance"), 2)], ["By chance alone", number(value("noise"), 2)], ["Ratio of their squares", number(value("ratio"), 2)], ["z", value("z") >= 37 ? "above 37" : number(value("z"), 1)], ["p", chance(value("p"))], ["q", chance(value("q"))]];
    return [make("table", {}, make("thead", {}, make("tr", {}, ...rows.map(([name]) => make("th", {scope: "col"}, name)))), make("tbody", {}, make("tr", {}, ...rows.map(([, text]) => make("td", {class: "number"}, text)))))];
  }

  const placed = new Set();
  function occurrences(k, s) {
    const sheet = page.sheets[s], g = sheet.group;
    if (g < 0) return [];
    const one = page.occurrences[g], at = one.at[k] || [];
    if (!placed.has(g) && one.uri) {
      placed.add(g);
      const style = document.head.appendChild(document.createElement("style"));
      style.textContent = `.o${g}{background-image:url(${one.uri})}`;
    }
    const tiles = at.slice(1).map((line, i) => {
      const place = at[0] + i, x = place % one.columns, y = Math.floor(place / one.columns);
      const tile = make("span", {class: "tile-o o" + g, title: one.lines[line], tabindex: "0", role: "img", "aria-label": one.lines[line]});
      tile.style.backgroundSize = 1.5 * one.columns * wide + "px auto";
      tile.style.backgroundPosition = -1.5 * x * wide + "px " + -1.5 * y * high + "px";
      return tile;
    });
    const total = page.counts[g][k];
    const words = tiles.length ? tiles.length + " of " + total : total ? "none of " + total + " in this page" : "none";
    return [make("div", {}, make("h4", {}, sheet.name + ", ", make("small", {}, words)), make("div", {class: "tiles-o"}, ...tiles))];
  }
  function allographs(k) {
    const found = page.allographs.filter((one) => one.k === k);
    if (!found.length) return [];
    return [make("h3", {}, "Two shapes"), ...found.map((one) => make("p", {},
      make("span", {class: "pair-of"}, ...one.images.map((uri) => make("img", {src: uri, alt: ""}))), " ",
      (one.group || "all lines") + ": the rarer is " + one.share + " of " + one.count + ", such as in ",
      make("small", {}, one.lines[1].slice(0, 5).join(", "))))];
  }
  function criteria(k) {
    const rows = page.criteria[k] || [];
    if (!rows.length) return [];
    return [make("h3", {}, "What is said of this letter"), make("div", {class: "scroll"}, make("table", {}, make("tbody", {}, ...rows.map(([family, about, text]) =>
      make("tr", {}, make("th", {scope: "row"}, [family, about].filter(Boolean).join(", ") || "all"), make("td", {}, text))))))];
  }
  function everywhere(k) {
    return page.sheets.map((sheet, s) => {
      const g = sheet.group, few = g >= 0 && !page.use[g][k], none = g >= 0 && !page.counts[g][k];
      const picture = make("span", {class: "s k" + k + (none ? "" : " p" + s)});
      if (few) picture.style.opacity = 0.4;
      const button = make("button", {type: "button", "aria-pressed": String(s === state.s || s === state.o), title: "Compare with it"}, picture, make("span", {}, sheet.name + (g >= 0 ? " (" + page.counts[g][k] + ")" : "")));
      button.addEventListener("click", () => turn({o: s === state.s ? state.o : s}));
      return button;
    });
  }
  function fill(select, chosen) {
    select.replaceChildren(...page.sheets.map((one, s) => make("option", {value: String(s)}, one.name + (one.family ? " (" + one.family + ")" : ""))));
    select.value = String(chosen);
  }

  async function show() {
    const {k, s} = state, letter = page.letters[k], sheet = page.sheets[s];
    if (state.o === null) state.o = s === 0 ? groupSheets[0] : 0;
    const o = state.o, other = page.sheets[o];
    find("#panel-title b").textContent = letter.label;
    find("#panel-title code").textContent = letter.codes;
    find(".names").textContent = letter.names;
    fill(find(".this"), s);
    fill(find(".other"), o);
    const counted = (one) => one.group < 0 ? (one.kind === "reference" ? "learned from all lines" : "the whole family") : page.counts[one.group][k] + " occurrences" + (page.quality[one.group][k] === "good" || page.quality[one.group][k] === "unknown" ? "" : ", flagged " + page.quality[one.group][k]) + (page.coloured[one.group][k] ? ", coloured: not the colour of the ink alone" : "");
    const [mine, theirs] = await Promise.all([ink(s), ink(o)]);
    const figures = [
      figure(sheet.name, counted(sheet), part(mine, k)),
      figure(other.name, counted(other), part(theirs, k)),
      figure("Difference", "red: only " + sheet.name + "; blue: only " + other.name, part(await painted(mine, theirs), k)),
    ];
    if (other.kind !== "reference" && sheet.kind !== "reference") figures.push(figure("Reference", "learned from all lines", part(await ink(0), k)));
    for (const one of [sheet, other]) {
      if (one.group >= 0) figures.push(figure("Uncertainty", "standard error in " + one.name + "; darkest is " + page.errorLimit + " of full ink", part(await painted(await errors(one.group)), k)));
    }
    if (!state || state.k !== k || state.s !== s || state.o !== o) return;
    find(".side").replaceChildren(...figures);
    const [a, b] = [sheet.group, other.group];
    find(".verdict").textContent = s === o ? "" : a >= 0 && b >= 0 && !page.pairs ? "" : verdict(k, a, b);
    find(".facts-table").replaceChildren(...(s === o ? [] : testTable(k, a, b)));
    find(".said").replaceChildren(...criteria(k));
    find(".seen").replaceChildren(...occurrences(k, s), ...(s === o ? [] : occurrences(k, o)));
    find(".two").replaceChildren(...allographs(k));
    find(".everywhere").replaceChildren(...everywhere(k));
    if (!dialog.open) { dialog.showModal(); dialog.scrollTop = 0; }
  }

  function turn(change) {
    state = {...state, ...change};
    history.replaceState(null, "", address(state));
    show();
  }
  function neighbour(step) {
    const visible = [...table.tHead.rows[0].children].slice(1).filter((th) => !th.hidden).map((th) => Number(th.dataset.k));
    const next = visible[visible.indexOf(state.k) + step];
    if (next !== undefined) turn({k: next});
  }
  function leave() {
    if (dialog.open) dialog.close();
    if (!state) return;
    state = null;
    history.replaceState(null, "", "#alphabet");
  }
  find(".before").addEventListener("click", () => neighbour(-1));
  find(".after").addEventListener("click", () => neighbour(1));
  find(".close").addEventListener("click", leave);
  find(".this").addEventListener("change", (event) => turn({s: Number(event.target.value)}));
  find(".other").addEventListener("change", (event) => turn({o: Number(event.target.value)}));
  dialog.addEventListener("close", leave);
  dialog.addEventListener("keydown", (event) => {
    if (event.target.matches("select")) return;
    if (event.key === "ArrowLeft") neighbour(-1);
    if (event.key === "ArrowRight") neighbour(1);
  });

  document.addEventListener("click", (event) => {
    if (event.target === dialog) return leave();
    const choice = event.target.closest("[data-show]");
    if (choice) {
      const holder = choice.closest(".one-at-a-time-holder");
      for (const one of all("[data-show]", holder)) one.setAttribute("aria-pressed", String(one === choice));
      all(".one-at-a-time figure", holder).forEach((one, i) => one.classList.toggle("now", i === Number(choice.dataset.show)));
      return;
    }
    const point = event.target.closest(".drawing [data-k]");
    if (point) return open({k: Number(point.dataset.k), s: page.sheets.findIndex((one) => one.group === Number(point.dataset.g)), o: null});
    const opener = event.target.closest("button[data-k]");
    if (!opener) return;
    const first = firstOf(Number(opener.dataset.k));
    open({k: Number(opener.dataset.k), s: opener.dataset.sheet ? Number(opener.dataset.sheet) : first, o: opener.dataset.with ? Number(opener.dataset.with) : null});
  });

  function follow() {
    const found = route();
    if (!found) { if (dialog.open) { state = null; dialog.close(); } return; }
    state = found;
    show();
  }
  window.addEventListener("hashchange", follow);
  arrange();
  follow();
})();
