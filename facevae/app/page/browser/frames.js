const $ = (name) => element.querySelector(`[data-is=${name}]`);
const place = $("place"), large = $("large"), strip = $("strip");

function show(number) {
  place.value = number;
  large.src = props.value[number];
  [...strip.children].forEach((one, n) => one.classList.toggle("fv-here", n === Number(number)));
}

watch("value", () => {
  const all = props.value || [];
  $("all").hidden = !all.length;
  if (!all.length) return;
  place.max = all.length - 1;
  strip.replaceChildren(...all.map((source, number) => {
    const image = new Image();
    image.src = source;
    image.alt = `Step ${number + 1} of ${all.length}`;
    image.addEventListener("click", () => show(number));
    return image;
  }));
  show(0);
});
place.addEventListener("input", () => show(place.value));
