// The mark on every timeline follows the player, and a click on a timeline moves the player there.
() => {
  const player = () => document.querySelector(".gz-player audio");
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const clock = (seconds, hours) => hours
    ? `${Math.floor(seconds / 3600)}:${two(seconds / 60 % 60)}:${two(seconds % 60)}`
    : `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;

  const parsed = new WeakMap();
  let frame = 0;

  function data(timeline) {
    if (!parsed.has(timeline)) parsed.set(timeline, JSON.parse(timeline.dataset.timeline));
    return parsed.get(timeline);
  }

  function show(seconds) {
    for (const timeline of document.querySelectorAll(".gz-timeline")) {
      const { edges, genres, scores } = data(timeline);
      const first = edges[0], last = edges[edges.length - 1];
      const at = Math.min(Math.max(seconds, first), last);
      const plot = timeline.querySelector(".gz-plot");
      timeline.querySelector(".gz-cursor").style.left = `${(100 * (at - first)) / (last - first)}%`;
      let column = 0;
      while (column < scores.length - 1 && edges[column + 1] <= at) column += 1;
      const ranked = genres.map((name, row) => [name, scores[column][row]]).sort((one, two) => two[1] - one[1]);
      const text = `${clock(at, last > 3600)}  ` + ranked.slice(0, 3).map(([name, score]) => `${name} ${score.toFixed(2)}`).join(", ");
      timeline.querySelector(".gz-now").textContent = text;
      plot.setAttribute("aria-valuenow", at.toFixed(1));
      plot.setAttribute("aria-valuetext", text);
    }
  }

  function follow() {
    const audio = player();
    cancelAnimationFrame(frame);
    if (!audio) return;
    show(audio.currentTime);
    if (!audio.paused && !audio.ended) frame = requestAnimationFrame(follow);
  }

  function seek(plot, seconds) {
    const { edges } = data(plot.closest(".gz-timeline"));
    const at = Math.min(Math.max(seconds, edges[0]), edges[edges.length - 1]);
    const audio = player();
    if (audio && audio.readyState > 0) audio.currentTime = at;
    show(at);
  }

  // Media events do not bubble, but they are captured on their way down; the elements come and go with the answers.
  for (const name of ["play", "timeupdate", "seeked", "loadedmetadata"]) {
    document.addEventListener(name, (event) => event.target === player() && follow(), true);
  }
  document.addEventListener("error", (event) => {
    if (event.target === player()) document.querySelector(".gz-unplayable").hidden = false;
  }, true);
  document.addEventListener("click", (event) => {
    const plot = event.target.closest?.(".gz-plot");
    if (!plot) return;
    const { edges } = data(plot.closest(".gz-timeline"));
    const box = plot.getBoundingClientRect();
    seek(plot, edges[0] + ((event.clientX - box.left) / box.width) * (edges[edges.length - 1] - edges[0]));
  });
  document.addEventListener("keydown", (event) => {
    const plot = event.target.closest?.(".gz-plot");
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!plot || !step) return;
    event.preventDefault();
    seek(plot, Number(plot.getAttribute("aria-valuenow")) + step);
  });
}
