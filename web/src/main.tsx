import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import { Drawer } from "./log/Drawer";
import { Panels } from "./panels/Panels";
import { Runs } from "./runs/Runs";
import { startEvents } from "./state/events";
import { startLog } from "./state/log";
import { drawerShown, folded, start } from "./state/page";
import { startTable } from "./state/table";
import { expose } from "./state/testing";
import { keep, linkedLine, restore } from "./state/url";
import "./styles.css";
import { listen } from "./ui/keyboard";
import { State } from "./ui/State";
import { Top } from "./ui/Top";

function App() {
  const open = drawerShown.value;
  return (
    <div class={`page${folded.value ? " folded" : ""}${open ? " open" : ""}`}>
      <Top />
      <State />
      {!folded.value && <Runs />}
      <Panels />
      {open && <Drawer />}
    </div>
  );
}

const linked = linkedLine(location.hash);
restore(location.hash);
keep();
listen();
start();
startLog(linked);
startEvents();
startTable();
expose();
render(<App />, document.getElementById("app")!);
