// Runs in the comparison page: moves the seam, and speaks Chinese to those who read it.
const chinese = navigator.language.toLowerCase().startsWith("zh");

if (chinese) {
  document.documentElement.lang = "zh-CN";
  for (const element of document.querySelectorAll("[data-zh]")) element.textContent = element.dataset.zh;
  for (const image of document.querySelectorAll("[data-zh-alt]")) image.alt = image.dataset.zhAlt;
}

for (const box of document.querySelectorAll(".compare")) {
  const range = box.querySelector("input");

  const show = () => {
    const share = Math.round(Number(range.value));
    box.style.setProperty("--at", `${range.value}%`);
    box.classList.toggle("only-after", share < 12);
    box.classList.toggle("only-before", share > 88);
    range.setAttribute(
      "aria-valuetext",
      chinese ? `原片 ${share}%，上色 ${100 - share}%` : `${share}% original, ${100 - share}% coloured`,
    );
  };

  // A range answers to a finger only on its small thumb in some browsers; here the whole photo is the handle.
  const follow = (event) => {
    if (event.buttons === 0) return;
    const { left, width } = box.getBoundingClientRect();
    range.value = String(Math.min(100, Math.max(0, (100 * (event.clientX - left)) / width)));
    show();
  };

  range.addEventListener("input", show);
  range.addEventListener("pointerdown", follow);
  range.addEventListener("pointermove", follow);
  show();
}
