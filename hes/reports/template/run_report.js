"use strict";
(function () {
  const charts = JSON.parse(document.getElementById("data").textContent);
  const CONFIG = { displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d"] };
  const HEIGHT = { success: 380, curves: 340 };
  const ROW_HEIGHT = 24, ROWS_MIN_HEIGHT = 260;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }

  function axis(given) {
    return Object.assign({ gridcolor: colour("grid"), linecolor: colour("rule"), zerolinecolor: colour("rule"),
      tickcolor: colour("rule"), automargin: true }, given);
  }

  function layout(id, chart, view) {
    const given = view.layout;
    const rows = chart.rows ? Math.max(ROWS_MIN_HEIGHT, 110 + ROW_HEIGHT * chart.rows) : 300;
    const made = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", height: HEIGHT[id] || rows, showlegend: false,
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("quiet") },
      margin: { l: 56, r: 24, t: 28, b: 48 }, hoverlabel: { align: "left" },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" }, hovermode: "closest",
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("mark"), activecolor: colour("first"), orientation: "v" },
      colorway: [colour("first"), colour("second")]
    };
    Object.assign(made, given);
    made.xaxis = axis(given.xaxis);
    made.yaxis = axis(given.yaxis);
    if (chart.marks) { addMarks(made, chart); }
    return made;
  }

  /* marks: solid, labelled one row above the other where they stand close; deadlines: dotted, named on hover */
  function addMarks(made, chart) {
    made.shapes = chart.deadlines.map(function (deadline) {
      return { type: "line", x0: deadline.x, x1: deadline.x, yref: "paper", y0: 0, y1: 1, opacity: 0.6,
        line: { color: colour("mark"), width: 1, dash: "dot" } };
    }).concat(chart.marks.map(function (mark) {
      return { type: "line", x0: mark.x, x1: mark.x, yref: "paper", y0: 0, y1: 1,
        line: { color: colour("second"), width: 1 } };
    }));
    const from = Date.parse(made.xaxis.range[0]), to = Date.parse(made.xaxis.range[1]);
    made.annotations = chart.marks.map(function (mark, index) {
      const at = (Date.parse(mark.x) - from) / (to - from);
      return { x: mark.x, yref: "paper", y: 1, yanchor: "bottom", yshift: 15 * (index % 3), showarrow: false,
        xanchor: at < 0.08 ? "left" : at > 0.92 ? "right" : "center", text: escapeText(mark.label),
        font: { color: colour("second"), size: 12 } };
    });
    made.margin = { l: 56, r: 24, t: 20 + 15 * Math.min(3, chart.marks.length), b: 48 };
  }

  /* plotly reads a few tags in its texts: what comes from data must not be taken for one */
  function escapeText(value) {
    return String(value).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  }

  function safeTexts(view) {
    view.traces.forEach(function (trace) { ["x", "y", "text"].forEach(function (key) { safeList(trace, key); }); });
    [view.layout.xaxis, view.layout.yaxis].forEach(function (given) {
      safeList(given, "categoryarray");
      if (given.title) { given.title.text = escapeText(given.title.text); }
    });
  }

  function safeList(owner, key) {
    if (Array.isArray(owner[key])) {
      owner[key] = owner[key].map(function (value) { return typeof value === "string" ? escapeText(value) : value; });
    }
  }

  function deadlineTrace(chart) {
    return { type: "scatter", mode: "markers", name: "", marker: { size: 7, color: colour("mark"), symbol: "diamond" },
      x: chart.deadlines.map(function (deadline) { return deadline.x; }),
      y: chart.deadlines.map(function () { return 0; }),
      text: chart.deadlines.map(function (deadline) { return escapeText(deadline.label); }),
      hovertemplate: "%{x|%d %b %H:%M}<br>%{text}<extra></extra>", cliponaxis: false };
  }

  function paint(trace, index) {
    const tone = colour(index ? "second" : "first");
    const made = Object.assign({}, trace);
    if (trace.type === "bar") { made.marker = { color: colour("bar") }; }
    if (trace.type === "box") { made.line = { color: tone, width: 1.5 }; made.fillcolor = colour("grid"); }
    if (trace.type === "scatter") {
      made.line = Object.assign({ width: 2, color: tone }, trace.line);
      made.marker = Object.assign({ size: 4, color: tone }, trace.marker);
      if (made.marker.line) { made.marker.line = Object.assign({ color: tone }, made.marker.line); }
    }
    return made;
  }

  function draw(id) {
    const chart = charts[id], box = document.getElementById(id);
    if (chart.empty) { box.textContent = chart.empty; box.className = "chart empty"; box.removeAttribute("role"); return; }
    const view = chart.views ? chart.views[box.chosen || 0] : chart;
    let plot = box.querySelector(".plot");
    if (!plot) {
      if (chart.views) { box.append(controls(id, chart, box)); }
      plot = document.createElement("div");
      plot.className = "plot";
      box.append(plot);
      new ResizeObserver(function () { if (plot.data) { Plotly.Plots.resize(plot); } }).observe(box);
      if (chart.note) {
        const note = document.createElement("p");
        note.className = "note";
        note.textContent = chart.note;
        box.append(note);
      }
    }
    const traces = view.traces.map(paint);
    if (chart.deadlines && chart.deadlines.length) { traces.push(deadlineTrace(chart)); }
    Plotly.react(plot, traces, layout(id, chart, view), CONFIG);
  }

  /* one selector of views, or two where views are meters and their channels */
  function controls(id, chart, box) {
    const bar = document.createElement("div");
    bar.className = "controls";
    const main = selector(bar, chart.choose ? chart.choose[0] : "show", unique(chart.views, "label"));
    const channels = chart.choose ? selector(bar, chart.choose[1], []) : null;
    function offer() {
      if (!channels) { return; }
      const kept = channels.value;
      fillOptions(channels, unique(chart.views.filter(function (view) { return view.label === main.value; }), "channel"));
      if (Array.prototype.some.call(channels.options, function (option) { return option.value === kept; })) {
        channels.value = kept;
      }
    }
    function choose() {
      box.chosen = chart.views.findIndex(function (view) {
        return view.label === main.value && (!channels || view.channel === channels.value);
      });
      draw(id);
    }
    main.addEventListener("change", function () { offer(); choose(); });
    if (channels) { channels.addEventListener("change", choose); }
    offer();
    return bar;
  }

  function unique(views, key) {
    return Array.from(new Set(views.map(function (view) { return view[key]; })));
  }

  function selector(bar, name, values) {
    const label = document.createElement("label"), select = document.createElement("select");
    label.textContent = name;
    label.append(select);
    bar.append(label);
    fillOptions(select, values);
    return select;
  }

  function fillOptions(select, values) {
    select.replaceChildren.apply(select, values.map(function (value) {
      const option = document.createElement("option");
      option.value = option.textContent = value;
      return option;
    }));
  }

  function sortBy(heading) {
    const row = heading.parentElement, body = row.closest("table").tBodies[0];
    const column = Array.prototype.indexOf.call(row.children, heading);
    const down = heading.getAttribute("aria-sort") === "ascending";
    Array.prototype.forEach.call(row.children, function (other) { other.removeAttribute("aria-sort"); });
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const order = new Intl.Collator(undefined, { numeric: true });
    const rows = Array.from(body.rows);
    rows.sort(function (left, right) {
      const a = left.cells[column], b = right.cells[column];
      const difference = a.dataset.sort !== undefined && b.dataset.sort !== undefined
        ? Number(a.dataset.sort) - Number(b.dataset.sort) : order.compare(a.textContent, b.textContent);
      return down ? -difference : difference;
    });
    body.append.apply(body, rows);
  }

  function drawAll() { Object.keys(charts).forEach(draw); }

  Object.keys(charts).forEach(function (id) {
    if (!charts[id].empty) { (charts[id].views || [charts[id]]).forEach(safeTexts); }
  });
  document.querySelectorAll("table.sortable th").forEach(function (heading) {
    heading.querySelector("button").addEventListener("click", function () { sortBy(heading); });
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
})();
