// A photograph in the browser: dropped, chosen, pasted or taken by the camera; shown with its edit, or without while the
// picture is pressed. Python sets `value`, of which each key says what is new; `trigger` tells Python.
const $ = (name) => element.querySelector(`[data-is=${name}]`);
const stage = $("stage"), canvas = $("canvas"), words = $("words"), drop = $("drop"), outlines = $("outlines");
const input = $("file"), camera = $("camera"), video = $("video"), drawing = canvas.getContext("2d", { alpha: false });
// The photograph as it was, and what of it has been edited: an image and its place.
let base = null, patch = null, pressed = false;
let settled = null, stream = null, moves = 0;

function say(text, error = false) {
  words.textContent = text;
  words.classList.toggle("fv-error", error);
  words.setAttribute("role", error ? "alert" : "status");
}

function busy(text) {
  stage.setAttribute("aria-busy", text ? "true" : "false");
  if (text) say(text);
}

async function send(blob, name) {
  stop();
  busy("Looking at the photograph ...");
  try {
    const answer = await fetch("photographs", { method: "POST", body: blob, headers: { "x-facevae": "1" } });
    const found = await answer.json();
    if (found.error) throw new Error(found.error);
    trigger("opened", { word: found.word, name });
  } catch (error) {
    busy("");
    say(error.message, true);
  }
}

function take(files) {
  const file = [...(files || [])].find((one) => one instanceof File);
  if (file) send(file, file.name);
  else say("That was no file: drop a photograph.", true);
}

// The camera: a picture of it goes the way of a file.
function stop() {
  for (const track of stream ? stream.getTracks() : []) track.stop();
  stream = null;
  video.srcObject = null;
  camera.hidden = true;
}

async function look() {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 } }, audio: false });
    video.srcObject = stream;
    camera.hidden = false;
    await video.play();
    $("shoot").focus();
  } catch (error) {
    stop();
    say(`No camera: ${error.message || error.name}`, true);
  }
}

function shoot() {
  const picture = document.createElement("canvas");
  picture.width = video.videoWidth;
  picture.height = video.videoHeight;
  if (!picture.width) return say("The camera shows nothing yet.", true);
  picture.getContext("2d").drawImage(video, 0, 0);
  picture.toBlob((blob) => send(blob, "camera.jpg"), "image/jpeg", 0.95);
}

function draw() {
  if (!base) return;
  drawing.drawImage(base, 0, 0);
  if (patch && !pressed) drawing.drawImage(patch.image, patch.x, patch.y);
}

function compare(shown) {
  if (!base || shown === pressed) return;
  pressed = shown;
  $("compare").setAttribute("aria-pressed", shown ? "true" : "false");
  canvas.setAttribute("aria-label", shown ? "The photograph as it was" : "The photograph, edited");
  draw();
}

function outline(faces, chosen) {
  outlines.replaceChildren();
  faces.forEach((corners, number) => {
    const xs = corners.map((corner) => corner[0]), ys = corners.map((corner) => corner[1]);
    // The middle of the square is the face itself; the rest is hair and wall.
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const button = document.createElement("button");
    button.type = "button";
    button.className = "fv-face";
    button.textContent = number + 1;
    button.setAttribute("aria-label", `Edit face ${number + 1} of ${faces.length}`);
    button.setAttribute("aria-pressed", number === chosen ? "true" : "false");
    const inset = 0.15;
    button.style.left = `${100 * (left + inset * (right - left))}%`;
    button.style.top = `${100 * (top + inset * (bottom - top))}%`;
    button.style.width = `${100 * (1 - 2 * inset) * (right - left)}%`;
    button.style.height = `${100 * (1 - 2 * inset) * (bottom - top)}%`;
    button.addEventListener("click", () => trigger("chosen", { face: number }));
    outlines.append(button);
  });
  outlines.hidden = faces.length < 2;
}

function save(word) {
  const link = document.createElement("a");
  link.href = `photographs/${word}`;
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}

async function decoded(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
}

async function paint(value) {
  const mine = ++moves;
  const [ground, image] = await Promise.all([value.base && decoded(value.base), value.patch && decoded(value.patch.image)]);
  if (mine < moves) return;  // a newer one has come meanwhile
  if (ground) {
    base = ground;
    canvas.width = base.naturalWidth;
    canvas.height = base.naturalHeight;
    // Small photographs are enlarged, but not without end.
    stage.style.setProperty("--ratio", canvas.width / canvas.height);
    stage.style.setProperty("--most", `${Math.max(2 * canvas.width, 560)}px`);
    drop.classList.add("fv-small");
    $("tools").hidden = stage.hidden = false;
  }
  patch = image ? { ...value.patch, image } : null;
  draw();
  // For whoever measures: a message is read after the frame that shows it.
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => stage.dispatchEvent(new CustomEvent("painted", { bubbles: true }));
    channel.port2.postMessage(0);
  });
  clearTimeout(settled);
  settled = setTimeout(() => trigger("settled"), 250);
}

watch("value", () => {
  const value = props.value || {};
  busy("");
  if (value.base) pressed = false;
  if (value.base || value.patch !== undefined) paint(value);
  if (value.faces) outline(value.faces, value.chosen || 0);
  if (value.close !== undefined) {
    $("close").hidden = value.close === null;
    $("close").textContent = value.close ? "Whole photograph" : "Close-up";
  }
  if (value.download) save(value.download);
  if (value.error) say(value.error, true);
  else if (value.words !== undefined) say(value.words);
});

$("choose").addEventListener("click", () => input.click());
input.addEventListener("change", () => { take(input.files); input.value = ""; });
$("look").addEventListener("click", look);
$("shoot").addEventListener("click", shoot);
$("stop").addEventListener("click", stop);
if ($("example")) $("example").addEventListener("click", () => { busy("Looking at the photograph ..."); trigger("example"); });
$("close").addEventListener("click", () => trigger("closer"));
$("save").addEventListener("click", () => { busy("Writing the file ..."); trigger("saved"); });
for (const kind of ["dragenter", "dragover"])
  element.addEventListener(kind, (event) => { event.preventDefault(); element.classList.add("fv-over"); });
for (const kind of ["dragleave", "drop"])
  element.addEventListener(kind, (event) => { event.preventDefault(); element.classList.remove("fv-over"); });
element.addEventListener("drop", (event) => take(event.dataTransfer.files));
document.addEventListener("paste", (event) => {
  if (drop.offsetParent && event.clipboardData.files.length) take(event.clipboardData.files);
});
for (const target of [stage, $("compare")]) {
  target.addEventListener("pointerdown", (event) => { if (!event.target.closest(".fv-face")) compare(true); });
  for (const kind of ["pointerup", "pointerleave", "pointercancel", "blur"]) target.addEventListener(kind, () => compare(false));
}
stage.addEventListener("contextmenu", (event) => event.preventDefault());
$("compare").addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); compare(true); } });
$("compare").addEventListener("keyup", () => compare(false));
