"use strict";
(function () {
  document.documentElement.classList.add("script");
  const list = document.querySelector(".cards");
  const dialog = document.getElementById("sprite");

  // Sorting: the cards carry their keys; ties keep the alphabet.
  const orders = {
    alpha: (a, b) => a.dataset.alpha - b.dataset.alpha,
    frequency: (a, b) => b.dataset.frequency - a.dataset.frequency || a.dataset.alpha - b.dataset.alpha,
    confidence: (a, b) => a.dataset.confidence - b.dataset.confidence || a.dataset.alpha - b.dataset.alpha,
  };
  const buttons = [...document.querySelectorAll("[data-sort]")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      list.append(...[...list.children].sort(orders[button.dataset.sort]));
    });
  }

  const SVG = "http://www.w3.org/2000/svg";
  const drawn = (name, attributes) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };

  // One place where a sprite was put: that piece of the original line, and a link to the line.
  function piece(glyph) {
    const stack = glyph.closest("svg");
    const image = stack.querySelector("image");
    const box = glyph.querySelector("rect");
    const value = (name) => Number(box.getAttribute(name));
    const height = Number(image.getAttribute("height"));
    const margin = height / 5;
    const left = value("x") - margin, width = value("width") + 2 * margin;
    const view = drawn("svg", {viewBox: [left, 0, width, height].join(" "), height: 56, width: 56 * width / height, role: "img", "aria-label": glyph.querySelector("title").textContent});
    const picture = image.cloneNode();
    view.append(picture, drawn("rect", {class: "found", x: value("x"), y: value("y"), width: value("width"), height: value("height")}));
    const link = document.createElement("a");
    const figure = glyph.closest("figure");
    link.href = "#" + figure.id;
    link.title = figure.querySelector(".id").textContent + ": " + glyph.querySelector("title").textContent;
    link.append(view);
    link.addEventListener("click", () => dialog.close());
    return link;
  }

  function open(card) {
    const image = card.querySelector("img").cloneNode();
    image.removeAttribute("width");
    image.removeAttribute("height");
    dialog.querySelector(".paper").replaceChildren(image);
    const name = card.querySelector(".name").cloneNode(true);
    dialog.querySelector("#sprite-title").replaceChildren(...name.childNodes);
    const more = card.querySelector(".more").cloneNode(true);
    dialog.querySelector(".detail").replaceChildren(...more.childNodes);
    const index = card.id.slice("sprite-".length);
    const places = [...document.querySelectorAll("g.glyph")].filter((g) => g.dataset.sprite === index);
    const step = Math.max(1, places.length / 24);
    const chosen = [];
    for (let i = 0; i < places.length && chosen.length < 24; i += step) chosen.push(places[Math.floor(i)]);
    dialog.querySelector(".places").replaceChildren(...chosen.map(piece));
    dialog.querySelector(".tally").textContent = places.length ? chosen.length + " of " + places.length + " on the lines of this page" : "on none of the lines of this page";
    dialog.showModal();
    dialog.scrollTop = 0;
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest(".open");
    if (opener) return open(opener.closest(".card"));
    const glyph = event.target.closest("g.glyph");
    if (glyph) {
      const card = document.getElementById("sprite-" + glyph.dataset.sprite);
      if (card) open(card);
    }
    if (event.target === dialog || event.target.closest(".close")) dialog.close();
  });
})();
