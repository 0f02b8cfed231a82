"""What programs print: about the system, while they work, of themselves when they are done."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.log.precision.texts import Text

PYTHON = shlex.quote(sys.executable)
_SECONDS = 60

#: Kind, and commands of a shell. `{f}`: a file of 20 MB. Each that the machine has not got is left out.
COMMANDS: dict[str, str] = {
    "processes": "ps aux;ps -eLf;ps axjf;top -b -n 3;top -b -H -n 2;pstree -p;lsof -n;prlimit;uptime",
    "disks and memory": "df;df -h;df -i;du -a /etc;free -m;free -h -s 1 -c 3;lsblk;mount;findmnt;fio --name=j"
    " --rw=randrw --size=8M --bs=4k --runtime=2 --time_based --directory={d} --status-interval=1",
    "statistics of the system": "vmstat 1 4;vmstat -s;vmstat -d;iostat -x 1 3;iostat;mpstat -P ALL 1 3;sar -u 1 3"
    ";sar -n DEV 1 3;pidstat 1 3;cat /proc/meminfo;cat /proc/vmstat;cat /proc/interrupts;cat /proc/cpuinfo"
    ";cat /proc/self/maps;cat /proc/diskstats;cat /proc/slabinfo;cat /proc/net/dev;sysctl -a;ulimit -a;lscpu;slabtop -o",
    "kernel messages": "dmesg;dmesg -T;journalctl -n 3000 --no-pager;journalctl -k --no-pager;"
    "journalctl -n 500 -o json --no-pager;journalctl -n 500 -o short-iso --no-pager",
    "networks": "ping -c 5 -i 0.2 127.0.0.1;ip -s addr;ip route;ss -tanp;ss -s;netstat -s;nmap -v -p 1-2000 127.0.0.1"
    ";iperf3 -s -1 -p 5299 & sleep 0.5; iperf3 -c 127.0.0.1 -p 5299 -t 3 -i 0.5;tcpdump -D",
    "package managers": "dpkg -l;apt list --installed;apt-cache dump | head -20000;apt-get -s dist-upgrade"
    ";apt-get -s install gimp;apt-cache policy;apt-cache show gcc python3;dpkg-query -W -f='${Package} ${Version}"
    f" ${{Installed-Size}}\\n';{PYTHON} -m pip list;{PYTHON} -m pip freeze;{PYTHON} -m pip -v check"
    f";{PYTHON} -m pip inspect;npm ls --all --global;npm --loglevel silly ls;{PYTHON} -m pip download --no-deps -d {{d}}"
    " six --progress-bar on;cargo --list",
    "version control": "git log --stat -n 150;git log --oneline;git log --format=fuller --numstat -n 200"
    ";git count-objects -v;git fsck --progress;git gc --dry-run;git status;git blame README.md;git shortlog -sne"
    ";git clone --progress . {d}/clone;git ls-tree -r -l HEAD;git log --graph --decorate -n 300",
    "copies": "dd if=/dev/zero of={d}/zero bs=1M count=64 status=progress;rsync -av --progress --stats {f} {d}/copy"
    ";rsync -av --info=progress2 /usr/share/doc/ {d}/doc;tar cvf {d}/x.tar /etc;tar tvf {d}/x.tar;gzip -kv {f}"
    ";7z a {d}/x.7z {f} -bsp1;7z b -md18;zip -rv {d}/x.zip /etc;pv -f {f} > /dev/null;xz -kvv -1 {f};bzip2 -kvv {f}"
    ";wc -l /etc/*;sha256sum /usr/bin/[a-c]*;md5sum /usr/lib/python3/dist-packages/*;find /usr/share/doc -ls;ls -lR /etc"
    ";ls -la /usr/bin;file /usr/bin/[a-c]*;cmp -l {f} {f};xxd {f} | head -20000;od -c {f} | head -5000;strings /usr/bin/git",
    "benchmarks": "openssl speed -seconds 1 sha256 aes-128-cbc;hyperfine -w 1 -r 5 true;sysbench cpu --time=2 run"
    ";sysbench memory --time=2 run;sysbench cpu --time=3 --report-interval=1 run;stress-ng --cpu 1 -t 2 --metrics"
    f";redis-benchmark -n 1000 -q;{PYTHON} -m timeit -v -n 100000 'x=1';{PYTHON} -m cProfile -m json.tool /dev/null"
    ";cryptsetup benchmark;perf stat true;time -v true",
    "solvers and games": "printf 'uci\\ngo depth 14\\nquit\\n' | (cat; sleep 4) | stockfish;echo 'go depth 12' | stockfish bench"
    " 16 1 8;glpsol --math {d}/model.mod;minisat {d}/a.cnf;cbc {d}/a.lp solve solu /dev/stdout"
    ";printf 'depth 5\\ngo\\nquit\\n' | gnuchess;gnugo --score estimate --quiet < /dev/null;primes 1 3000;factor 1000000007",
    "video and pictures": "ffmpeg -y -f lavfi -i testsrc=duration=8:size=640x360:rate=30 {d}/a.mp4;ffmpeg -i {d}/a.mp4"
    " -progress - -f null -;ffprobe -show_frames {d}/a.mp4;ffmpeg -y -i {d}/a.mp4 -lavfi psnr=stats_file={d}/psnr.log"
    " -f null -;ffmpeg -y -i {d}/a.mp4 -lavfi ssim=stats_file=- -f null -;ffmpeg -y -f lavfi -i testsrc=duration=4 -vf"
    " showinfo -f null -;x264 --help;ffmpeg -filters;ffmpeg -y -f lavfi -i testsrc=duration=5 -c:v libx265 {d}/b.mp4",
    "databases": "sqlite3 {d}/x.db '.dump';sqlite3 {d}/x.db 'explain select * from t';sqlite3 -csv {d}/x.db 'select *"
    " from t';sqlite3 -column -header {d}/x.db 'select * from t';sqlite3 -json {d}/x.db 'select * from t'"
    ";sqlite3 -box {d}/x.db 'select * from t';timeout 2 redis-server --port 5298 --save '' --loglevel debug"
    ";redis-cli --help;psql --help",
    "help": "git help -a;gcc --help=optimizers;gcc -v --help;ffmpeg -h full;openssl help;curl --help all;rsync --help"
    ";tar --help;find --help;ps --help all;node --help;java -XX:+PrintFlagsFinal -version;nmap --help;cmake --help-full",
    "Java and Node": "java -Xlog:gc*:stdout -Xmx32m {d}/Work.java;java -Xlog:all=debug:stdout -version;java -verbose:class"
    " -version;node --trace-gc {d}/work.js;node --cpu-prof --cpu-prof-dir={d} {d}/work.js;node --trace-opt {d}/work.js",
    "traces": "strace -f ls -l /usr;strace -c ls;strace -tt -T ls;ltrace ls;objdump -d /usr/bin/env;readelf -a /usr/bin/env"
    ";nm -D /usr/lib/x86_64-linux-gnu/libc.so.6;ldd /usr/bin/git;locale -av;timedatectl;env;set;date;cal -y;who -a",
}  # fmt: skip

_MODEL = "var x >= 0; var y >= 0; maximize z: 3*x + 2*y; s.t. a: x + y <= 4; s.t. b: x + 3*y <= 6; end;\n"
_JAVA = (
    "public class Work { public static void main(String[] a) { Object o = null;"
    " for (int i = 0; i < 3000000; i++) o = new byte[512]; System.out.println(o); } }\n"
)
_JS = "let o = []; for (let i = 0; i < 3e6; i++) { o = [i, {i}]; } console.log(o);\n"
_TABLE = (
    "create table t(id integer primary key, step integer, name text, score real);"
    "with recursive c(x) as (select 1 union all select x+1 from c where x<3000)"
    " insert into t select x, x%50, 'name '||x, abs(random()%1000)/10.0 from c;"
)


def commands(folder: Path, root: Path) -> Iterator[Text]:
    """The output of each command, both streams. folder: for what they write. root: a git repository."""
    big = folder / "file.bin"
    big.write_bytes(os.urandom(1 << 20) * 20)
    (folder / "model.mod").write_text(_MODEL)
    (folder / "a.lp").write_text("Maximize\n obj: 3 x + 2 y\nSubject To\n a: x + y <= 4\nEnd\n")
    (folder / "a.cnf").write_text("p cnf 3 2\n1 -3 0\n2 3 -1 0\n")
    (folder / "Work.java").write_text(_JAVA)
    (folder / "work.js").write_text(_JS)
    subprocess.run(["sqlite3", str(folder / "x.db"), _TABLE], check=False)
    for kind, lines in COMMANDS.items():
        for number, line in enumerate(lines.split(";")):
            command = line.replace("{d}", str(folder)).replace("{f}", str(big))
            data = output(command, root)
            if data.strip():
                yield Text(kind, f"output-{number}.log", data)


def output(command: str, cwd: Path) -> bytes:
    """Both streams of a shell command; nothing if the machine has not got it."""
    try:
        done = subprocess.run(
            ["bash", "-c", command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as stopped:
        return stopped.stdout or b""
    return b"" if done.returncode == 127 else done.stdout[: 4 << 20]
