"use strict";
// Names of genes are text from elsewhere: they only ever go to textContent, to values of options,
// or onto the canvas.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const links = data.links;
  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const told = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));
  // Never a certainty that the model does not claim.
  const probability = (value) => (data.scores ? value.toPrecision(3)
    : value > 0.995 && value < 1 ? "> 0.99" : value < 0.005 && value > 0 ? "< 0.01" : told(value));

  // ---- elements of the graph, and how they look
  const low = Math.min(...links.weight), high = Math.max(...links.weight);
  const from = Math.min(low, high - (data.scores ? 1e-12 : 0.1));
  const width = (value) => 0.8 + 2.2 * (value - from) / (high - from);
  const sign = (k) => (links.sign ? links.sign[k] : null);
  const nodes = data.genes.map((name, i) => ({
    data: { id: "n" + i, name, index: i, dx: data.dx[i], dy: data.dy[i] },
    position: { x: data.x[i], y: data.y[i] },
    classes: (data.tf[i] ? "tf" : "target") + (data.crowded[i] ? " crowded" : ""),
  }));
  const edges = links.source.map((source, k) => ({
    data: { id: "e" + k, source: "n" + source, target: "n" + links.target[k], index: k, width: width(links.weight[k]) },
    classes: [links.known[k] ? "known" : "new", sign(k) < 0 ? "represses" : "",
      source === links.target[k] ? "loop" : ""].join(" "),
  }));
  const look = () => {
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue("--" + name).trim();
    return [
      { selector: "node", style: {
        label: "data(name)", "font-size": 10, "min-zoomed-font-size": 6, color: colour("text"),
        "text-outline-color": colour("back"), "text-outline-width": 1.5, "text-valign": "center", "text-halign": "center",
        "text-margin-x": "data(dx)", "text-margin-y": "data(dy)",
        "background-color": colour("target"), width: 13, height: 13, "border-width": 1, "border-color": colour("back") } },
      { selector: "node.tf", style: {
        shape: "rectangle", "background-color": colour("tf"), width: 19, height: 19, "font-weight": "bold", "font-size": 11.5, "z-index": 5 } },
      { selector: "node.crowded", style: { "min-zoomed-font-size": 16 } },
      { selector: "edge", style: {
        width: "data(width)", "line-color": colour("known"), "target-arrow-color": colour("known"), "curve-style": "straight",
        "target-arrow-shape": "triangle", "arrow-scale": 0.8, opacity: edges.length > 600 ? 0.45 : 0.75 } },
      { selector: "edge.new", style: {
        "line-style": "dashed", "line-color": colour("new"), "target-arrow-color": colour("new") } },
      { selector: "edge.represses", style: { "target-arrow-shape": "tee" } },
      { selector: "edge.loop", style: { "curve-style": "bezier" } },
      { selector: "node.hub", style: { "min-zoomed-font-size": 0, "font-weight": "bold", "z-index": 8 } },
      { selector: ".faded", style: { opacity: 0.08, "text-opacity": 0.1 } },
      { selector: "edge.near", style: { opacity: 1, "z-index": 9 } },
      { selector: "node.near", style: { "min-zoomed-font-size": 0, "z-index": 9 } },
      { selector: "node:selected", style: { "border-width": 3, "border-color": colour("text") } },
      { selector: "edge:selected", style: { opacity: 1, "line-color": colour("text"), "target-arrow-color": colour("text") } },
      { selector: ".hidden", style: { display: "none" } },
    ];
  };
  const dark = window.matchMedia && window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = data.theme === "auto" ? (dark ? "dark" : "light") : data.theme;
  const cy = cytoscape({
    container: byId("network"), elements: { nodes, edges }, style: look(), layout: { name: "preset" },
    minZoom: 0.03, maxZoom: 8, boxSelectionEnabled: false, textureOnViewport: edges.length > 800,
    hideLabelsOnViewport: nodes.length > 800,
  });
  let touched = false;
  // By the places of the genes: boxes of thousands of links and labels take seconds.
  const fit = () => {
    const places = cy.nodes().not(".hidden").map((one) => one.position());
    if (!places.length) return;
    const range = (axis) => {
      const values = places.map((place) => place[axis]);
      return [values.reduce((a, b) => Math.min(a, b)) - 45, values.reduce((a, b) => Math.max(a, b)) + 45];
    };
    const [left, right] = range("x"), [top, bottom] = range("y");
    const zoom = Math.max(cy.minZoom(), Math.min(cy.maxZoom(), cy.width() / (right - left), cy.height() / (bottom - top)));
    const pan = { x: (cy.width() - zoom * (left + right)) / 2, y: (cy.height() - zoom * (top + bottom)) / 2 };
    cy.viewport({ zoom, pan });
  };
  const node = (i) => cy.getElementById("n" + i);

  // From afar no label can be read: the hubs that have room get one of the same size on the screen.
  const byDegree = cy.nodes().toArray().sort((a, b) => b.degree() - a.degree()).slice(0, 60);
  const nameHubs = () => {
    const zoom = cy.zoom(), taken = [];
    cy.batch(() => {
      for (const one of byDegree) {
        const at = one.renderedPosition();
        const free = zoom < 0.55 && taken.length < 15 && !one.hasClass("hidden")
          && taken.every((other) => Math.abs(at.x - other.x) > 95 || Math.abs(at.y - other.y) > 17);
        one.toggleClass("hub", free);
        if (!free) { one.removeStyle("font-size text-margin-x text-margin-y text-outline-width"); continue; }
        taken.push(at);
        one.style({ "font-size": 12 / zoom, "text-margin-x": 0, "text-margin-y": -8 - 8 / zoom, "text-outline-width": 2 / zoom });
      }
    });
  };
  let waiting = 0;
  cy.on("zoom resize", () => { clearTimeout(waiting); waiting = setTimeout(nameHubs, 60); });

  // ---- filters
  const shown = new Array(edges.length).fill(true);
  const slider = (id, values, show) => {
    const input = byId(id), out = byId(id + "-told");
    input.min = Math.min(...values);
    input.max = Math.max(...values);
    input.value = input.min;
    const tell = () => { out.textContent = show(Number(input.value)); };
    input.addEventListener("input", () => { tell(); filter(); });
    tell();
    // The first value is rounded by the slider: it must not hide the weakest link.
    return () => (Number(input.value) <= Number(input.min) ? -Infinity : Number(input.value));
  };
  const filter = () => {
    const least = leastWeight(), gain = leastLift();
    const tf = byId("tf").value, kind = byId("kind").value;
    const used = new Set();
    let count = 0;
    links.source.forEach((source, k) => {
      shown[k] = links.weight[k] >= least && (!links.lift || links.lift[k] >= gain)
        && (tf === "" || source === Number(tf)) && (kind === "" || Boolean(links.known[k]) === (kind === "known"));
      if (shown[k]) { count += 1; used.add(source).add(links.target[k]); }
    });
    cy.batch(() => {
      cy.edges().forEach((edge) => { edge.toggleClass("hidden", !shown[edge.data("index")]); });
      cy.nodes().forEach((one) => { one.toggleClass("hidden", !used.has(one.data("index"))); });
    });
    nameHubs();
    byId("count").textContent = count.toLocaleString("en") + " of " + edges.length.toLocaleString("en")
      + " links shown" + (data.note ? "; " + data.note : "");
  };
  const leastWeight = slider("weight", links.weight, (value) => (data.scores ? value.toPrecision(3) : told(value)));
  const leastLift = links.lift ? slider("lift", links.lift, told) : () => -Infinity;
  if (!links.lift) byId("lift-label").hidden = true;
  if (!links.lift) byId("lift-label").style.display = "none";
  if (data.scores) byId("weight-name").textContent = "score";
  const sources = [...new Set(links.source)].sort((a, b) => (data.genes[a] < data.genes[b] ? -1 : 1));
  for (const i of sources) {
    const option = element("option", data.genes[i]);
    option.value = i;
    byId("tf").append(option);
  }
  for (const id of ["tf", "kind"]) byId(id).addEventListener("change", filter);

  // ---- cards
  const card = byId("card");
  const clear = () => {
    card.replaceChildren();
    cy.elements().removeClass("faded near").unselect();
    cy.resize();
  };
  const open = (title, subtitle) => {
    card.replaceChildren();
    const close = element("button", "×", "close");
    close.title = "Close";
    close.addEventListener("click", clear);
    card.append(close, element("h2", title), element("p", subtitle));
  };
  const kindOf = (k) => (links.known[k] ? "known" : "new") + (sign(k) > 0 ? " ↑" : sign(k) < 0 ? " ⊣" : "");
  const table = (title, rows, end) => {
    if (!rows.length) return;
    card.append(element("h3", title + " (" + rows.length.toLocaleString("en") + ")"));
    const made = element("table"), head = element("tr"), body = element("tbody");
    const names = ["gene", data.scores ? "score" : "prob.", ...(links.lift ? ["lift"] : []), ...(links.q ? ["q"] : []), ""];
    for (const name of names) head.append(element("th", name));
    const top = element("thead");
    top.append(head);
    for (const k of rows) {
      const row = element("tr"), other = links[end][k];
      row.append(element("td", data.genes[other]), element("td", probability(links.weight[k])));
      if (links.lift) row.append(element("td", told(links.lift[k])));
      if (links.q) row.append(element("td", told(links.q[k])));
      row.append(element("td", kindOf(k), links.known[k] ? "" : "new"));
      row.addEventListener("click", () => choose(other));
      body.append(row);
    }
    made.append(top, body);
    card.append(made);
  };
  const mark = (near) => {
    cy.batch(() => {
      cy.elements().removeClass("near").addClass("faded").unselect();
      near.removeClass("faded").addClass("near");
    });
  };
  const showGene = (i) => {
    const order = (rows) => rows.sort((a, b) => links.weight[b] - links.weight[a]);
    const all = [...links.source.keys()].filter((k) => shown[k]);
    open(data.genes[i], data.tf[i] ? "transcription factor" : "target gene");
    table("regulon: targets", order(all.filter((k) => links.source[k] === i)), "target");
    table("regulators", order(all.filter((k) => links.target[k] === i)), "source");
    mark(node(i).closedNeighborhood());
    node(i).select();
    cy.resize();
  };
  const choose = (i) => {
    // A search finds genes that a filter hides.
    if (node(i).hasClass("hidden")) node(i).removeClass("hidden");
    touched = true;
    showGene(i);
    cy.stop().animate({ center: { eles: node(i) }, zoom: Math.max(cy.zoom(), 0.9) }, { duration: 250 });
  };
  const showLink = (k) => {
    const source = data.genes[links.source[k]], target = data.genes[links.target[k]];
    open(source + " → " + target, links.known[k] ? "known link" : "new link");
    const made = element("table"), body = element("tbody");
    const rows = [[data.scores ? "score" : "probability", probability(links.weight[k])]];
    if (links.null) rows.push(["null model (popularity)", probability(links.null[k])]);
    if (links.lift) rows.push(["lift over it", told(links.lift[k])]);
    if (links.q) rows.push(["q", told(links.q[k], 3)]);
    if (links.sd) rows.push(["standard deviation", told(links.sd[k], 3)]);
    if (links.sign) rows.push(["sign", sign(k) > 0 ? "activates" : sign(k) < 0 ? "represses" : "not known"]);
    if (links.stability) rows.push(["stability", told(links.stability[k])]);
    for (const [name, value] of rows) {
      const row = element("tr");
      row.append(element("td", name), element("td", value));
      body.append(row);
    }
    made.append(body);
    card.append(made);
    card.append(element("p", "sr.get.evidence tells why."));
    const edge = cy.getElementById("e" + k);
    mark(edge.union(edge.connectedNodes()));
    cy.resize();
  };
  cy.on("tap", "node", (event) => showGene(event.target.data("index")));
  cy.on("tap", "edge", (event) => showLink(event.target.data("index")));
  cy.on("tap", (event) => { if (event.target === cy) clear(); });

  // ---- search
  const search = byId("search"), matches = byId("matches");
  const find = () => {
    const wanted = search.value.trim().toLowerCase();
    if (!wanted) return [];
    const rank = (name) => (name.toLowerCase() === wanted ? 0 : name.toLowerCase().startsWith(wanted) ? 1 : 2);
    return data.genes.map((name, i) => i).filter((i) => data.genes[i].toLowerCase().includes(wanted))
      .sort((a, b) => rank(data.genes[a]) - rank(data.genes[b]) || (data.genes[a] < data.genes[b] ? -1 : 1)).slice(0, 10);
  };
  const took = (i) => { matches.replaceChildren(); search.value = data.genes[i]; choose(i); };
  search.addEventListener("input", () => {
    matches.replaceChildren(...find().map((i) => {
      const button = element("button", data.genes[i]);
      button.addEventListener("click", () => took(i));
      return button;
    }));
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") matches.replaceChildren();
    if (event.key === "Enter" && find().length) took(find()[0]);
  });

  // ---- buttons
  byId("fit").addEventListener("click", () => fit());
  byId("png").addEventListener("click", () => {
    const back = getComputedStyle(document.documentElement).getPropertyValue("--back").trim();
    const link = element("a");
    link.href = cy.png({ full: true, scale: 2, bg: back, maxWidth: 8000, maxHeight: 8000 });
    link.download = "network.png";
    link.click();
  });
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    cy.style(look());
  });
  for (const [variable, text, line, there] of [
    ["tf", "TF", "", data.tf.some(Boolean)], ["target", "target", "", !data.tf.every(Boolean)],
    ["known", "known link", "line", links.known.some(Boolean)], ["new", "new link", "line dashed", !links.known.every(Boolean)],
  ]) {
    if (!there) continue;
    const entry = element("span"), mark = element("i", undefined, line);
    if (line) mark.style.borderColor = "var(--" + variable + ")";
    else { mark.style.background = "var(--" + variable + ")"; if (variable === "target") mark.style.borderRadius = "50%"; }
    entry.append(mark, text);
    byId("legend").append(entry);
  }
  byId("legend").append(element("span", "wider: more probable" + (links.sign ? "; ⊣ represses" : "")));
  filter();
  fit();
  // A frame may get its size late: until the reader moves the picture, it fills the page.
  cy.on("dragpan scrollzoom pinchzoom tap grab", () => { touched = true; });
  new ResizeObserver(() => { cy.resize(); if (!touched) fit(); nameHubs(); }).observe(byId("network"));
  window.scregnet = { cy, data };
})();
