/** What the page says, in English and Chinese. A missing message is a type error. */

interface Messages {
  runs: string;
  log: string;
  search: string;
  smoothing: string;
  logScale: string;
  axes: Record<"step" | "time" | "relative", string>;
  allOfIt: string;
  show: string;
  toggle: string;
  close: string;
  follow: string;
  noLines: string;
  fitAll: string;
  fullWidth: string;
  loading: string;
  live: string;
  nothingFound: string;
  noCurves: (run: string) => string;
  noneShown: string;
  gone: (seconds: number) => string;
  tokenNeeded: string;
  tokenOpen: string;
  failed: (message: string) => string;
  status: (status: string) => string;
  help: string;
  keys: [key: string, what: string][];
}

const STATUS_ZH: Record<string, string> = {
  running: "运行中",
  finished: "已完成",
  failed: "失败",
  crashed: "崩溃",
  interrupted: "已中断",
  unknown: "未知",
};

const en: Messages = {
  runs: "Runs",
  log: "Log",
  search: "Search runs and metrics (regex)",
  smoothing: "Smoothing",
  logScale: "log y",
  axes: { step: "step", time: "time", relative: "relative" },
  allOfIt: "Zoom out",
  show: "Show",
  toggle: "Show or hide; Alt-click shows only this run",
  close: "Close",
  follow: "Follow",
  noLines: "No log lines yet.",
  fitAll: "Values outside of the drawn range; click to fit them all",
  fullWidth: "Full width",
  loading: "Reading the runs…",
  live: "live",
  nothingFound: "No runs found yet. They appear here as soon as something is written; `lensd sources PATH` says what is read and why.",
  noCurves: (run) => `${run} has no curves: no metric was found in what it wrote. \`lensd doctor FILE\` explains a log line by line.`,
  noneShown: "No run is shown. Click the dot of a run to draw its curves.",
  gone: (seconds) => `The daemon has not answered for ${seconds} s. The curves stay; this page reconnects by itself.`,
  tokenNeeded: "This daemon asks for a token.",
  tokenOpen: "Open",
  failed: (message) => `The last request failed: ${message}.`,
  status: (status) => status,
  help: "Keyboard",
  keys: [
    ["/", "search"],
    ["j k", "next, previous run"],
    ["x", "show or hide the run"],
    ["o", "only this run"],
    ["g s, g t, g r", "x axis: step, time, relative"],
    ["y", "logarithmic y"],
    ["0", "one zoom level out"],
    ["l", "log"],
    ["[", "list of runs"],
    ["drag", "zoom into all panels"],
  ],
};

const zh: Messages = {
  runs: "运行",
  log: "日志",
  search: "搜索运行和指标(正则)",
  smoothing: "平滑",
  logScale: "对数 y",
  axes: { step: "步数", time: "时间", relative: "相对时间" },
  allOfIt: "缩小",
  show: "显示",
  toggle: "显示或隐藏;按住 Alt 点击只显示此运行",
  close: "关闭",
  follow: "跟随",
  noLines: "还没有日志。",
  fitAll: "有值超出所画范围;点击显示全部",
  fullWidth: "全宽",
  loading: "正在读取…",
  live: "实时",
  nothingFound: "还没有找到运行。一有写入就会出现在这里;`lensd sources PATH` 说明读取了什么以及原因。",
  noCurves: (run) => `${run} 没有曲线:在它写的内容中没有找到指标。\`lensd doctor FILE\` 会逐行解释日志。`,
  noneShown: "没有显示的运行。点击运行前的圆点来绘制曲线。",
  gone: (seconds) => `守护进程已 ${seconds} 秒没有回应。曲线保留,页面会自动重连。`,
  tokenNeeded: "需要令牌。",
  tokenOpen: "打开",
  failed: (message) => `上一个请求失败:${message}。`,
  status: (status) => STATUS_ZH[status] ?? status,
  help: "键盘",
  keys: [
    ["/", "搜索"],
    ["j k", "下一个、上一个运行"],
    ["x", "显示或隐藏运行"],
    ["o", "只看此运行"],
    ["g s, g t, g r", "x 轴:步数、时间、相对时间"],
    ["y", "对数 y"],
    ["0", "缩小一级"],
    ["l", "日志"],
    ["[", "运行列表"],
    ["拖动", "在所有面板中放大"],
  ],
};

const chosen = navigator.language.toLowerCase().startsWith("zh") ? zh : en;

export function messages(): Messages {
  return chosen;
}
