import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import { Log } from "./log/Log";
import { Panels } from "./panels/Panels";
import { Runs } from "./runs/Runs";
import { drawerShown, folded, start } from "./state/page";
import { expose } from "./state/testing";
import { keep, restore } from "./state/url";
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
      {open && <Log />}
    </div>
  );
}

restore(location.hash);
keep();
listen();
start();
expose();
render(<App />, document.getElementById("app")!);
