// The look: shared parts and icons. Tokens and base come with base.css, loaded once by main.tsx.
export { Icon, type IconName } from "./icons.tsx";
export { ActionButton, Button, Dialog, Empty, Progress, Slider, Tip } from "./parts.tsx";
