import uPlot from "uplot";
import type { OutcomeBucket } from "../shared/model.js";

const HEIGHT = 190;
const MIN_WINDOW_S = 60;
const MAX_WINDOW_S = 900;
/** More bars than that are no longer told apart. */
const MAX_BARS = 60;

/** From the largest bar to the smallest, upwards and downwards. */
const SERIES: readonly {
  readonly keys: readonly (keyof OutcomeBucket)[];
  readonly sign: 1 | -1;
  readonly colour: string;
}[] = [
  { keys: ["guardedComplete", "guardedBroken", "guardedRefused"], sign: 1, colour: "--idle" },
  { keys: ["guardedComplete", "guardedBroken"], sign: 1, colour: "--cut" },
  { keys: ["guardedComplete"], sign: 1, colour: "--good" },
  { keys: ["bareComplete", "bareBroken", "bareRefused"], sign: -1, colour: "--idle" },
  { keys: ["bareComplete", "bareBroken"], sign: -1, colour: "--bad" },
  { keys: ["bareComplete"], sign: -1, colour: "--faint-good" },
];

/** Outcomes over time: guarded requests upwards, bare ones downwards, what failed in the colour of failure. */
export class OutcomeChart {
  readonly #target: HTMLElement;
  readonly #buckets = new Map<number, OutcomeBucket>();
  #plot: uPlot | undefined;

  constructor(target: HTMLElement) {
    this.#target = target;
    new ResizeObserver(() => this.#plot?.setSize({ width: target.clientWidth, height: HEIGHT })).observe(target);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  add(buckets: readonly OutcomeBucket[]): void {
    for (const bucket of buckets) this.#buckets.set(bucket.second, bucket);
    const now = Math.floor(Date.now() / 1_000);
    for (const second of this.#buckets.keys()) if (second < now - MAX_WINDOW_S) this.#buckets.delete(second);
    const data = this.#data(now);
    if (this.#plot === undefined) this.#plot = new uPlot(this.#options(), data, this.#target);
    else this.#plot.setData(data);
    this.#describe();
  }

  #redraw(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.add([]);
  }

  /** Bars of so many seconds that all of it fits; the whole is drawn first, the complete part over it. */
  #data(now: number): uPlot.AlignedData {
    const first = Math.min(now, ...this.#buckets.keys());
    const span = Math.min(MAX_WINDOW_S, Math.max(MIN_WINDOW_S, now - first + 1));
    const step = Math.ceil(span / MAX_BARS);
    const start = Math.ceil((now - span) / step) * step;
    const times = Array.from({ length: Math.floor((now - start) / step) + 1 }, (_, i) => start + i * step);
    const rows = SERIES.map(() => times.map(() => 0));
    for (const bucket of this.#buckets.values()) {
      const index = Math.floor((bucket.second - start) / step);
      // Each bar stands for itself and those below it: the largest is drawn first, the others over it.
      SERIES.forEach(({ keys, sign }, i) => {
        const row = rows[i] as number[];
        if (index in row) row[index] = (row[index] ?? 0) + sign * keys.reduce((sum, key) => sum + bucket[key], 0);
      });
    }
    return [times, ...rows.map((row) => row.map((value) => value || null))];
  }

  #options(): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const bars = uPlot.paths.bars?.({ size: [0.75, 24], align: 1 });
    const series = (fill: string): uPlot.Series => ({
      fill: colour(fill),
      stroke: colour(fill),
      width: 0,
      points: { show: false },
      ...(bars ? { paths: bars } : {}),
    });
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const font = "11px system-ui, sans-serif";
    return {
      width: this.#target.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_plot, low, high) => [Math.min(-2, (low ?? 0) * 1.1), Math.max(2, (high ?? 0) * 1.1)] } },
      axes: [
        {
          ...axis,
          font,
          size: 26,
          values: (_plot, times) => times.map((time) => new Date(time * 1_000).toLocaleTimeString("en-GB")),
          space: 90,
        },
        {
          ...axis,
          font,
          size: 34,
          incrs: [1, 2, 5, 10, 20, 50, 100, 200],
          values: (_plot, ticks) => ticks.map((tick) => String(Math.abs(tick))),
        },
      ],
      series: [{}, ...SERIES.map(({ colour: fill }) => series(fill))],
    };
  }

  #describe(): void {
    const sum = (key: keyof OutcomeBucket) => [...this.#buckets.values()].reduce((all, bucket) => all + bucket[key], 0);
    const text =
      `Outcomes in the last quarter of an hour. Guarded: ${sum("guardedComplete")} complete, ` +
      `${sum("guardedBroken")} cut or failed, ${sum("guardedRefused")} refused. Bare: ${sum("bareComplete")} complete, ${sum("bareBroken")} cut or failed, ${sum("bareRefused")} refused.`;
    this.#target.setAttribute("aria-label", text);
  }
}
