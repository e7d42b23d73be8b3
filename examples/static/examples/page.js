// What each page here does: it finds its parts, says things, and counts likes.

export const byId = (id) => document.getElementById(id);

let said = 0;
export function say(text) { // politely, and one thing a second: a busy minute must not bury a listener
  clearTimeout(said);
  said = setTimeout(() => { byId("said").textContent = text; }, 1000);
}

let hiding = 0;
export function toast(text, href) {
  const place = byId("toast");
  place.replaceChildren(text);
  if (href) {
    const link = document.createElement("a");
    link.href = href;
    link.textContent = "Sign in";
    place.append(" ", link);
  }
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.hidden = true; }, 7000);
}

export function showLikes(quote, likes) { // tells whether the number is a new one
  const number = quote.querySelector(".number");
  if (number.textContent === String(likes)) return false;
  number.textContent = likes;
  const heart = quote.querySelector(".heart");
  heart.removeAttribute("aria-busy");
  heart.classList.remove("counted");
  void heart.offsetWidth; // begins the animation again
  heart.classList.add("counted");
  return true;
}
