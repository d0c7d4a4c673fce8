// The window's icons: strokes on a grid of 24, drawn in the text's colour. Decoration: names are said by whoever uses them.
const PATHS = {
  photos: "M4 6h16v12H4zM4 15l4.5-4.5 4 4 2.5-2.5L20 16M15.5 9.5h.01",
  album: "M5 4h14v16H5zM8 4v16M11.5 8.5h4.5",
  colour:
    "M12 3a9 9 0 1 0 0 18c1.6 0 2-1 1.6-2.1-.5-1.3.3-2.4 1.7-2.4H18a3 3 0 0 0 3-3.1C20.800 7.200 17 3 12 3zM7.500 11h.01M10 7h.01M15 7.500h.01",
  review: "M4 5h16v14H4zM12 5v14M8 10l-1.500 2L8 14M16 10l1.500 2-1.500 2",
  work: "M4 7h10M4 12h16M4 17h7M18 5v4M15 15v4",
  nodes: "M4 5h6v5H4zM14 14h6v5h-6zM10 7.500h3a2 2 0 0 1 2 2V14",
  settings:
    "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM12 3v3M12 18v3M3 12h3M18 12h3M5.600 5.600l2.100 2.100M16.300 16.300l2.100 2.100M18.400 5.600l-2.100 2.100M7.700 16.300l-2.100 2.100",
  search: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500 20 20",
  plus: "M12 5v14M5 12h14",
  import: "M12 4v10M8 10l4 4 4-4M5 16v4h14v-4",
  export: "M12 15V4M8 8l4-4 4 4M5 15v5h14v-5",
  check: "M5 12.500 10 17.500 19 7",
  close: "M6 6l12 12M18 6 6 18",
  star: "M12 4l2.500 5.200 5.700.8-4.100 4 1 5.700-5.100-2.700-5.100 2.700 1-5.700-4.100-4 5.700-.8z",
  pause: "M8 5v14M16 5v14",
  play: "M7 5l11 7-11 7z",
  stop: "M6 6h12v12H6z",
  retry: "M19 12a7 7 0 1 1-2-4.900M19 4v4h-4",
  info: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 11v5M12 8h.01",
  warning: "M12 4 21 19H3zM12 10v4M12 16.500h.01",
  folder: "M3 6h6l2 2h10v11H3z",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4l3 2",
  tune: "M5 5v14M12 5v14M19 5v14M3 9h4M10 15h4M17 8h4",
  brush: "M19 4 10 13M9 14c-2.500 0-2.500 3-5 4 1.500 1.500 6 2 7-2 .3-1.300-.7-2-2-2z",
  compare: "M12 4v16M5 7h4v10H5zM15 7h4v10h-4z",
  zoom: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13zM15.500 15.500 20 20M8 10.500h5M10.500 8v5",
  undo: "M5 10h9a5 5 0 0 1 0 10h-3M5 10l4-4M5 10l4 4",
  redo: "M19 10h-9a5 5 0 0 0 0 10h3M19 10l-4-4M19 10l-4 4",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  back: "M14 6l-6 6 6 6",
  next: "M10 6l6 6-6 6",
  up: "M6 14l6-6 6 6",
  down: "M6 10l6 6 6-6",
  cluster: "M12 3l7 4v8l-7 4-7-4V7zM12 11l7-4M12 11 5 7M12 11v8",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  print: "M7 9V4h10v5M7 17H4v-8h16v8h-3M7 14h10v6H7z",
  keyboard: "M3 7h18v10H3zM7 10.500h.01M11 10.500h.01M15 10.500h.01M8 14h8",
  timeline: "M4 18V9M9 18V5M14 18v-7M19 18v-4",
  text: "M5 6h14M12 6v13M9 19h6",
} as const;
export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.7"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
