/** The main metric of a run in the width of a word; red where it is not finite. */

import { useEffect, useRef } from "preact/hooks";

const WIDTH = 64;
const HEIGHT = 16;

export function Sparkline({ values, colour }: { values: (number | null)[]; colour: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current!;
    const ratio = devicePixelRatio;
    element.width = WIDTH * ratio;
    element.height = HEIGHT * ratio;
    const context = element.getContext("2d");
    if (!context) return;
    context.scale(ratio, ratio);
    const finite = values.filter((value): value is number => value !== null);
    const low = Math.min(...finite);
    const high = Math.max(...finite);
    const x = (index: number): number => 1 + (index / Math.max(1, values.length - 1)) * (WIDTH - 2);
    const y = (value: number): number => HEIGHT - 2 - ((value - low) / (high - low || 1)) * (HEIGHT - 4);
    context.strokeStyle = colour;
    context.lineWidth = 1.2;
    context.beginPath();
    values.forEach((value, index) => {
      if (value !== null) context.lineTo(x(index), y(value));
    });
    context.stroke();
    context.fillStyle = "#d4303a";
    values.forEach((value, index) => {
      if (value === null) context.fillRect(x(index) - 0.5, HEIGHT - 4, 1.5, 4);
    });
  }, [values, colour]);
  return <canvas ref={canvas} style={{ width: `${WIDTH}px`, height: `${HEIGHT}px` }} aria-hidden="true" />;
}
