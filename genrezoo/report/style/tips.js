{
  const NEAR = 20; // pixels from the edge of a mark, so that a finger finds it
  const box = document.createElement("div");
  box.className = "tip";
  box.hidden = true;
  document.body.append(box);
  let shown = null;
  const hide = () => {
    shown?.classList.remove("pointed");
    shown = null;
    box.hidden = true;
  };
  const show = (mark) => {
    hide();
    shown = mark;
    mark.classList.add("pointed");
    const { left, right, top, bottom } = mark.getBoundingClientRect();
    box.textContent = mark.getAttribute("aria-label");
    box.hidden = false;
    const middle = (left + right - box.offsetWidth) / 2;
    const most = document.documentElement.clientWidth - box.offsetWidth - 4;
    const above = top - box.offsetHeight - 8;
    box.style.left = `${Math.max(4, Math.min(middle, most)) + scrollX}px`;
    box.style.top = `${(above > 0 ? above : bottom + 8) + scrollY}px`;
  };
  for (const svg of document.querySelectorAll("figure svg")) {
    const marks = Array.from(svg.querySelectorAll("g > title"), (title, place) => {
      const mark = title.parentElement;
      mark.setAttribute("role", "img");
      mark.setAttribute("aria-label", title.textContent);
      mark.setAttribute("tabindex", place ? "-1" : "0"); // one stop a figure; arrows lead to its other marks
      mark.addEventListener("focus", () => show(mark));
      mark.addEventListener("blur", hide);
      title.remove(); // or the browser would show it a second time
      return mark;
    });
    if (!marks.length) continue;
    svg.setAttribute("role", "group"); // parts of an image cannot be reached
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const next = step && marks[marks.indexOf(event.target) + step];
      if (!next) return;
      event.preventDefault(); // or the page would scroll
      event.target.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    });
    const find = (event) => {
      let [nearest, least] = [null, Infinity];
      for (const mark of marks) {
        const { left, right, top, bottom } = mark.getBoundingClientRect();
        const [x, y] = [event.clientX, event.clientY];
        const far = Math.hypot(Math.max(left - x, 0, x - right), Math.max(top - y, 0, y - bottom));
        const middle = Math.hypot((left + right) / 2 - x, (top + bottom) / 2 - y); // between marks that overlap
        if (far <= NEAR && far + middle / 1000 < least) [nearest, least] = [mark, far + middle / 1000];
      }
      if (!nearest) hide();
      else if (nearest !== shown) show(nearest);
    };
    svg.addEventListener("pointermove", find);
    svg.addEventListener("pointerdown", find);
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("pointerdown", (event) => { if (!event.target.closest("figure svg")) hide(); });
}
