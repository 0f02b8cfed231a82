/** What the page says, in English and Chinese. A missing message is a type error. */

interface InputCounts {
  points: number;
  records: number;
  unparsed: number;
  lag_bytes: number;
}

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
  details: string;
  tabs: Record<"log" | "events" | "inputs" | "config", string>;
  noEvents: string;
  column: string;
  mainMetric: string;
  sides: Record<"last" | "min" | "max", string>;
  order: string;
  orders: Record<"recent" | "name" | "up" | "down", string>;
  group: string;
  noGroups: string;
  byName: string;
  best: string;
  bestOf: string;
  hasWarnings: string;
  warned: (warning: string) => string;
  eventKind: (kind: string) => string;
  attempt: (number: number) => string;
  searchLog: string;
  hitBefore: string;
  hitAfter: string;
  warnings: string;
  noWarnings: string;
  lineToCurves: (line: number) => string;
  lineOfStep: (step: number) => string;
  inputState: (state: string) => string;
  inputCounts: (input: InputCounts) => string;
  hidden: (points: number, by: string) => string;
  unread: (lines: number, line: number) => string;
  pattern: string;
  setting: string;
  noConfig: string;
  onlyDifferent: string;
  fitAll: string;
  fullWidth: string;
  pin: string;
  pinned: string;
  table: string;
  csv: string;
  copyLink: string;
  copied: string;
  loading: string;
  live: string;
  nothingFound: string;
  noCurves: (run: string) => string;
  noneShown: string;
  stale: (run: string, ago: string, step: number, target: number) => string;
  replaced: string;
  emptyRange: string;
  gone: (seconds: number) => string;
  tokenNeeded: string;
  tokenOpen: string;
  failed: (message: string) => string;
  status: (status: string) => string;
  help: string;
  keys: [key: string, what: string][];
}

const STATUS_ZH: Record<string, string> = {
  ended: "已结束",
  running: "运行中",
  finished: "已完成",
  failed: "失败",
  crashed: "崩溃",
  interrupted: "已中断",
  unknown: "未知",
};

const EVENT_ZH: Record<string, string> = {
  start: "开始",
  attempt: "重启",
  nan: "NaN",
  spike: "尖峰",
  stall: "停顿",
  end: "结束",
};

const INPUT_STATE_ZH: Record<string, string> = {
  new: "新",
  ok: "正常",
  waiting: "等待中",
  gone: "已消失",
  dead: "无法读取",
  merged: "已合并",
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
  details: "Details of a run",
  column: "Value beside each run",
  mainMetric: "main metric",
  sides: { last: "last", min: "min", max: "max" },
  order: "Order",
  orders: { recent: "newest first", name: "by name", up: "value ↑", down: "value ↓" },
  group: "Groups",
  noGroups: "no groups",
  byName: "by name",
  best: "First 10",
  bestOf: "Draw only the first ten of the list as it is ordered",
  hasWarnings: "Some of its inputs were not read",
  warned: (warning) => `${warning}. The tab Inputs has the lines.`,
  noEvents: "Nothing happened yet.",
  eventKind: (kind) => kind,
  attempt: (number) => `attempt ${number}`,
  tabs: { log: "Log", events: "Events", inputs: "Inputs", config: "Config" },
  searchLog: "Search the log",
  hitBefore: "Previous hit (N)",
  hitAfter: "Next hit (n)",
  warnings: "Warnings",
  noWarnings: "No line with a warning, an error or a NaN.",
  lineToCurves: (line) => `Line ${line}: show its moment in the curves`,
  lineOfStep: (step) => `Step ${step.toLocaleString()}: show it in the curves`,
  inputState: (state) => state,
  inputCounts: ({ points, records, unparsed, lag_bytes }) =>
    [
      `${points.toLocaleString()} points`,
      `${records.toLocaleString()} lines or records`,
      unparsed > 0 ? `${unparsed.toLocaleString()} look like metrics and were not read` : "",
      lag_bytes > 0 ? `${lag_bytes.toLocaleString()} bytes still to read` : "",
    ]
      .filter(Boolean)
      .join(", "),
  hidden: (points, by) => `${points.toLocaleString()} of its points are hidden: ${by} has the same metrics.`,
  unread: (lines, line) => (lines === 1 ? `Line ${line} was not read:` : `${lines.toLocaleString()} lines like line ${line} were not read:`),
  pattern: "To have them read, put this into the configuration:",
  setting: "Setting",
  noConfig: "Nothing was reported of the settings of these runs.",
  onlyDifferent: "Only what differs",
  fitAll: "Values outside of the drawn range; click to fit them all",
  fullWidth: "Full width",
  pin: "Pin to the top",
  pinned: "pinned",
  table: "Values as a table",
  csv: "Download as CSV",
  copyLink: "Copy link",
  copied: "Copied",
  loading: "Reading the runs…",
  live: "live",
  nothingFound: "No runs found yet. They appear here as soon as something is written; `lensd sources PATH` says what is read and why.",
  noCurves: (run) => `${run} has no curves: no metric was found in what it wrote. \`lensd doctor FILE\` explains a log line by line.`,
  noneShown: "No run is shown. Click the dot of a run to draw its curves.",
  stale: (run, ago, step, target) =>
    `${run} wrote its last point ${ago}, at step ${step.toLocaleString()} of ${target.toLocaleString()}. The end of its log (l) may say why.`,
  emptyRange: "No points in this range. 0 zooms out.",
  replaced: "The daemon serves another database now. These are its runs.",
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
    ["0, 0 0", "one zoom level out, all out"],
    ["f", "panel in full width"],
    ["p", "pin the panel to the top"],
    ["t", "values of the panel as a table"],
    [". ,", "next, previous NaN or value out of range"],
    ["l", "log"],
    ["n N", "next, previous hit in the log"],
    ["F", "follow the log"],
    ["[", "list of runs"],
    ["?", "these keys"],
    ["click, Enter", "pin the moment: the log goes to its line"],
    ["drag", "zoom into all panels"],
    ["Ctrl wheel", "zoom at the cursor"],
    ["Shift wheel", "move left and right"],
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
  details: "运行详情",
  column: "每个运行旁边的值",
  mainMetric: "主要指标",
  sides: { last: "最后", min: "最小", max: "最大" },
  order: "排序",
  orders: { recent: "最新在前", name: "按名称", up: "值 ↑", down: "值 ↓" },
  group: "分组",
  noGroups: "不分组",
  byName: "按名称",
  best: "前 10 个",
  bestOf: "只绘制列表中当前排序的前十个",
  hasWarnings: "部分输入未读取",
  warned: (warning) => `${warning}。详见“输入”标签。`,
  noEvents: "还没有发生任何事。",
  eventKind: (kind) => EVENT_ZH[kind] ?? kind,
  attempt: (number) => `第 ${number} 次`,
  tabs: { log: "日志", events: "事件", inputs: "输入", config: "配置" },
  searchLog: "搜索日志",
  hitBefore: "上一个匹配(N)",
  hitAfter: "下一个匹配(n)",
  warnings: "警告",
  noWarnings: "没有警告、错误或 NaN 的行。",
  lineToCurves: (line) => `第 ${line} 行:在曲线中显示其时刻`,
  lineOfStep: (step) => `步数 ${step.toLocaleString()}:在曲线中显示`,
  inputState: (state) => INPUT_STATE_ZH[state] ?? state,
  inputCounts: ({ points, records, unparsed, lag_bytes }) =>
    [
      `${points.toLocaleString()} 个点`,
      `${records.toLocaleString()} 行或记录`,
      unparsed > 0 ? `${unparsed.toLocaleString()} 行像指标但未读取` : "",
      lag_bytes > 0 ? `还有 ${lag_bytes.toLocaleString()} 字节待读` : "",
    ]
      .filter(Boolean)
      .join(","),
  hidden: (points, by) => `其中 ${points.toLocaleString()} 个点被隐藏:${by} 有相同的指标。`,
  unread: (lines, line) => `${lines.toLocaleString()} 行(如第 ${line} 行)未读取:`,
  pattern: "要读取它们,请把以下内容加入配置:",
  setting: "设置",
  noConfig: "这些运行没有报告任何设置。",
  onlyDifferent: "只看不同之处",
  fitAll: "有值超出所画范围;点击显示全部",
  fullWidth: "全宽",
  pin: "置顶",
  pinned: "置顶",
  table: "以表格显示数值",
  csv: "下载 CSV",
  copyLink: "复制链接",
  copied: "已复制",
  loading: "正在读取…",
  live: "实时",
  nothingFound: "还没有找到运行。一有写入就会出现在这里;`lensd sources PATH` 说明读取了什么以及原因。",
  noCurves: (run) => `${run} 没有曲线:在它写的内容中没有找到指标。\`lensd doctor FILE\` 会逐行解释日志。`,
  noneShown: "没有显示的运行。点击运行前的圆点来绘制曲线。",
  stale: (run, ago, step, target) =>
    `${run} 最后一个点写于${ago},步数 ${step.toLocaleString()} / ${target.toLocaleString()}。日志末尾(l)可能说明原因。`,
  emptyRange: "此范围内没有点。按 0 缩小。",
  replaced: "守护进程现在使用另一个数据库。以下是其中的运行。",
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
    ["0, 0 0", "缩小一级、全部缩小"],
    ["f", "面板全宽"],
    ["p", "面板置顶"],
    ["t", "以表格显示面板数值"],
    [". ,", "下一个、上一个 NaN 或超出范围的值"],
    ["l", "日志"],
    ["n N", "日志中下一个、上一个匹配"],
    ["F", "跟随日志"],
    ["[", "运行列表"],
    ["?", "按键列表"],
    ["点击, Enter", "固定时刻:日志转到对应的行"],
    ["拖动", "在所有面板中放大"],
    ["Ctrl 滚轮", "在光标处缩放"],
    ["Shift 滚轮", "左右移动"],
  ],
};

const isChinese = navigator.language.toLowerCase().startsWith("zh");
const chosen = isChinese ? zh : en;
document.documentElement.lang = isChinese ? "zh" : "en"; // how screen readers pronounce it

export function messages(): Messages {
  return chosen;
}
