//! Every way out that is known for such sandboxes, and every way to use up the machine: each must
//! fail, with a verdict of its own, and the host goes on.
//!
//! The tricks with frames and built-in names are those by which executors that check the program's
//! text were escaped (smolagents CVE-2025-5120, CVE-2025-9959 and their kin): here nothing depends on
//! what a program's text contains.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here fails the test")]

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use mynah_sandbox::{Program, Run, Sandbox, Verdict};

use support::{output, run_endless, run_in};

macro_rules! in_each {
    ($($name:ident;)*) => {
        mod wasi {
            $(#[test] fn $name() { super::$name(super::support::wasi()); })*
        }
        mod os {
            $(#[test] fn $name() {
                if let Some(sandbox) = super::support::os() { super::$name(sandbox); }
            })*
        }
    };
}

in_each! {
    the_machines_files_are_not_there;
    the_persons_home_is_not_there;
    no_way_leads_up;
    links_lead_nowhere;
    no_links_or_pipes_are_made;
    a_pipe_in_the_folder_holds_nobody_up;
    nothing_is_connected_to;
    no_process_is_started;
    signals_reach_nobody;
    pickles_do_no_more_than_the_program;
    frames_and_built_in_names_lead_nowhere;
    a_forged_end_is_bounded;
    ctypes_reaches_the_interpreter_only;
    the_environment_is_empty_of_secrets;
    memory_is_bounded;
    huge_strings_are_refused;
    huge_integers_end;
    an_endless_loop_ends;
    an_endless_wait_ends;
    an_endless_expression_ends;
    endless_output_ends;
    output_without_a_line_ends;
    deep_calls_end;
    deep_nesting_ends;
    what_is_written_is_bounded;
    a_file_with_a_hole_is_bounded;
    the_number_of_files_is_bounded;
    many_open_files_are_refused;
    threads_are_bounded;
    a_stubborn_program_ends;
    nothing_is_left_behind;
}

/// A program that is expected to fail with an error that says one of these words, printing nothing.
fn fails(sandbox: &Sandbox, source: &str, folder: Option<&Path>, words: &[&str]) -> Run {
    let run = run_in(sandbox, source, folder);
    assert!(matches!(run.verdict, Verdict::Failed { code: 1 }), "{source}: {run:?}");
    assert_eq!(run.stdout, "", "{source}");
    let last = run.stderr.lines().last().unwrap_or_default();
    assert!(words.iter().any(|word| last.contains(word)), "{source}: {}", run.stderr);
    run
}

const NO_FILE: &[&str] =
    &["FileNotFoundError", "PermissionError", "NotADirectoryError", "Capabilities insufficient"];

fn the_machines_files_are_not_there(sandbox: &Sandbox) {
    for path in ["/etc/passwd", "/etc/shadow", "/root/.bashrc", "/proc/1/root/etc/passwd"] {
        fails(sandbox, &format!("print(open('{path}').read())"), None, NO_FILE);
    }
    let found = output(
        sandbox,
        "import os; print(os.path.exists('/etc/passwd'), os.path.exists('/home'))",
        None,
    );
    assert_eq!(found, "False False\n");
}

fn the_persons_home_is_not_there(sandbox: &Sandbox) {
    let home = tempfile::tempdir().unwrap();
    let secret = home.path().join("id_ed25519");
    std::fs::write(&secret, "secret").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for granted in [None, Some(folder.path())] {
        let source = format!("print(open({:?}).read())", secret.display().to_string());
        fails(sandbox, &source, granted, NO_FILE);
        let source =
            format!("import os; print(os.listdir({:?}))", home.path().display().to_string());
        fails(sandbox, &source, granted, NO_FILE);
    }
}

/// A folder with a secret beside the one that is granted.
fn beside_a_secret() -> (tempfile::TempDir, std::path::PathBuf) {
    let above = tempfile::tempdir().unwrap();
    std::fs::write(above.path().join("secret"), "secret").unwrap();
    let granted = above.path().join("granted");
    std::fs::create_dir(&granted).unwrap();
    (above, granted)
}

fn no_way_leads_up(sandbox: &Sandbox) {
    let (above, granted) = beside_a_secret();
    for path in ["../secret", "/work/../secret", "a/../../secret", "./.././secret", "..//secret"] {
        fails(sandbox, &format!("print(open('{path}').read())"), Some(&granted), NO_FILE);
    }
    let source = "import os\nos.mkdir('a')\nos.rename('a', '../moved')";
    let run = run_in(sandbox, source, Some(&granted));
    assert!(matches!(run.verdict, Verdict::Failed { code: 1 }), "{run:?}");
    assert!(!above.path().join("moved").exists());
    let source =
        "import os\nfd = os.open('.', os.O_RDONLY)\nos.open('../secret', os.O_RDONLY, dir_fd=fd)";
    fails(sandbox, source, Some(&granted), &[NO_FILE, &["NotImplementedError"]].concat());
}

fn links_lead_nowhere(sandbox: &Sandbox) {
    let (above, granted) = beside_a_secret();
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, granted.join(name)).unwrap();
    };
    link("../secret", "relative");
    link(&above.path().join("secret").display().to_string(), "absolute");
    link("..", "up");
    link("relative", "chain");
    link("/proc/self/root", "root");
    link("turn", "turn");
    for path in ["relative", "absolute", "up/secret", "chain"] {
        let source = format!("print(open('{path}').read())");
        fails(sandbox, &source, Some(&granted), NO_FILE);
        let source = format!("open('{path}', 'w').write('x')");
        let run = run_in(sandbox, &source, Some(&granted));
        assert!(matches!(run.verdict, Verdict::Failed { code: 1 }), "{path}: {run:?}");
    }
    let run = run_in(sandbox, "print(open('root/etc/passwd').read())", Some(&granted));
    assert!(matches!(run.verdict, Verdict::Failed { code: 1 }) && run.stdout.is_empty(), "{run:?}");
    let run = run_in(sandbox, "open('turn')", Some(&granted));
    assert_eq!(run.verdict, Verdict::Failed { code: 1 });
    assert_eq!(std::fs::read_to_string(above.path().join("secret")).unwrap(), "secret");
}

/// Whoever looks at the folder afterwards would follow a link, or wait at a pipe.
fn no_links_or_pipes_are_made(sandbox: &Sandbox) {
    let (_above, granted) = beside_a_secret();
    for source in [
        "import os; os.symlink('../secret', 'link')",
        "import os; os.symlink('/etc/passwd', 'link')",
        "import os; os.link('../secret', 'link')",
        "import os; os.mkfifo('link')",
        "import os; os.mknod('link')",
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('link')",
    ] {
        let run = run_in(sandbox, source, Some(&granted));
        assert!(matches!(run.verdict, Verdict::Failed { code: 1 }), "{source}: {run:?}");
        assert!(granted.join("link").symlink_metadata().is_err(), "{source}");
    }
}

fn a_pipe_in_the_folder_holds_nobody_up(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
    assert!(made.unwrap().success());
    let limits = mynah_sandbox::Limits { seconds: 0.3, ..support::limits() };
    let program = Program { folder: Some(folder.path()), ..Program::new("open('pipe').read()") };
    let run = sandbox.run(&program, &limits, &AtomicBool::new(false)).unwrap();
    assert!(matches!(run.verdict, Verdict::Failed { code: 1 } | Verdict::OutOfTime), "{run:?}");
}

fn nothing_is_connected_to(sandbox: &Sandbox) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for source in [
        format!("import socket; socket.create_connection(('127.0.0.1', {port}), 1)"),
        format!(
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', {port}))"
        ),
        format!(
            "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/', timeout=1)"
        ),
        "import socket; s = socket.socket(); s.bind(('', 0)); s.listen()".to_owned(),
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0/tmp/.X11-unix/X0')"
            .to_owned(),
    ] {
        let run = run_in(sandbox, &source, None);
        assert!(matches!(run.verdict, Verdict::Failed { code: 1 }), "{source}: {run:?}");
    }
    let kind = listener.accept().unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::WouldBlock);
}

fn no_process_is_started(sandbox: &Sandbox) {
    for source in [
        "import os\nwhile True: os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import subprocess; subprocess.run(['/bin/true'])",
        "import multiprocessing; p = multiprocessing.Process(target=print); p.start(); p.join()",
        "import os; assert os.system('true') != 0; raise OSError",
        "import pty; pty.fork()",
    ] {
        let run = run_in(sandbox, source, None);
        assert!(matches!(run.verdict, Verdict::Failed { code: 1 }), "{source}: {run:?}");
    }
}

fn signals_reach_nobody(sandbox: &Sandbox) {
    let own = std::process::id();
    let source = format!(
        "import os, signal\nfor pid in {{1, 2, 3, -1, {own}}} - {{os.getpid()}}:\n    try:\n        \
         os.kill(pid, signal.SIGKILL); print('sent', pid)\n    except (OSError, AttributeError): pass"
    );
    assert_eq!(output(sandbox, &source, None), "");
    // A signal to itself is the program's own end.
    let run = run_in(sandbox, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", None);
    assert!(matches!(run.verdict, Verdict::Killed(_) | Verdict::Failed { code: 1 }), "{run:?}");
    // Nor can it keep the limits from holding.
    let source = "import signal\nfor i in range(1, 32):\n    try: signal.signal(i, signal.SIG_IGN)\n    \
        except (OSError, ValueError): pass\nwhile True: pass";
    assert_eq!(run_endless(sandbox, source).verdict, Verdict::OutOfTime);
}

fn pickles_do_no_more_than_the_program(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    let source = "import pickle\n\
        class Evil:\n    def __reduce__(self):\n        import os; return (os.system, ('touch /work/made',))\n\
        pickle.loads(pickle.dumps(Evil()))\n\
        pickle.loads(b\"cos\\nsystem\\n(S'touch /work/made'\\ntR.\")";
    run_in(sandbox, source, Some(folder.path()));
    assert!(!folder.path().join("made").exists());
}

fn frames_and_built_in_names_lead_nowhere(sandbox: &Sandbox) {
    let (_above, granted) = beside_a_secret();
    for source in [
        // The interpreter's own modules, by any way to them.
        "print(__builtins__.__import__('os').popen('id').read())",
        "print([c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]\
         .__init__.__globals__['listdir']('/home'))",
        "import sys\nf = sys._getframe()\nwhile f.f_back: f = f.f_back\n\
         print(f.f_builtins['open']('/etc/passwd').read())",
        "print((lambda: 0).__globals__['__builtins__'].open('/etc/passwd').read())",
        "def g(): yield g.gi_frame.f_back.f_back\n\
         import gc\nprint([o for o in gc.get_objects() if isinstance(o, dict) and 'open' in o][0]\
         ['open']('/etc/passwd').read())",
        "import builtins, io, _io\nprint(_io.FileIO('/etc/passwd').read())",
        "class A:\n    def __format__(self, s): return open('/etc/passwd').read()\nprint(f'{A()}')",
        "import codecs\nprint(codecs.open('/etc/passwd').read())",
        "import importlib.machinery as m\nprint(m.SourceFileLoader('x', '/etc/passwd').get_data('/etc/passwd'))",
        "import _posixsubprocess, os\nprint(os.execv('/bin/cat', ['cat', '/etc/passwd']))",
    ] {
        let run = run_in(sandbox, source, Some(&granted));
        assert!(!run.verdict.is_finished() && !run.stdout.contains("root:"), "{source}: {run:?}");
    }
}

/// A program can say of itself what it likes; its bounds hold on.
fn a_forged_end_is_bounded(sandbox: &Sandbox) {
    let forge = "import sys\nf = sys._getframe()\n\
        while 'control' not in f.f_locals: f = f.f_back\n\
        c = f.f_locals['control']\n";
    let run = run_endless(sandbox, &format!("{forge}c.write(b'exit 9')\nwhile True: pass"));
    assert!(matches!(run.verdict, Verdict::OutOfTime | Verdict::Failed { code: 9 }), "{run:?}");
    let run = run_endless(sandbox, &format!("{forge}c.write(b'\\xff' * 100000)\nwhile True: pass"));
    assert!(matches!(run.verdict, Verdict::OutOfTime | Verdict::Failed { code: 1 }), "{run:?}");
    let run = run_endless(sandbox, &format!("{forge}c.close()\nwhile True: pass"));
    assert!(!run.verdict.is_finished(), "{run:?}");
    let run = run_endless(sandbox, &format!("{forge}print(c.read(10))"));
    assert!(!run.verdict.is_finished() || run.stdout == "b''\n", "{run:?}");
}

fn ctypes_reaches_the_interpreter_only(sandbox: &Sandbox) {
    // WebAssembly has none; elsewhere it breaks the interpreter, whose system calls are bounded.
    let run = run_in(sandbox, "import ctypes; ctypes.string_at(1)", None);
    assert!(matches!(run.verdict, Verdict::Failed { code: 1 } | Verdict::Killed(_)), "{run:?}");
    for call in [
        "fork()",
        "socket(2, 1, 0)",
        "ptrace(0, 0, 0, 0)",
        "unshare(0x10000000)",
        "mount(b'none', b'/work', b'tmpfs', 0, None)",
        "symlink(b'/etc/passwd', b'/tmp/link')",
        "syscall(56, 17, 0, 0, 0, 0)",
        "syscall(57)",
        "syscall(0x40000039)",
        "syscall(319, b'x', 0)",
        "syscall(425, 8, 0)",
    ] {
        let source =
            format!("import ctypes; r = ctypes.CDLL(None).{call}; assert r < 0, r; raise OSError");
        let run = run_in(sandbox, &source, None);
        assert!(
            matches!(run.verdict, Verdict::Failed { code: 1 })
                && !run.stderr.contains("AssertionError"),
            "{call}: {run:?}"
        );
    }
}

fn the_environment_is_empty_of_secrets(sandbox: &Sandbox) {
    let names = output(sandbox, "import os; print(' '.join(sorted(os.environ)))", None);
    let known = [
        "HOME",
        "LANG",
        "LC_CTYPE",
        "MPLBACKEND",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PATH",
        "PWD",
    ];
    assert!(names.split_whitespace().all(|name| known.contains(&name)), "{names}");
}

fn memory_is_bounded(sandbox: &Sandbox) {
    for source in [
        "held = []\nwhile True: held.append(bytearray(1 << 20))",
        "x = [0]\nwhile True: x += x",
        "x = {}\ni = 0\nwhile True:\n    x[i] = str(i) * 100\n    i += 1",
    ] {
        let run = run_in(sandbox, source, None);
        assert_eq!(run.verdict, Verdict::OutOfMemory, "{source}: {run:?}");
    }
    // A program that gets over being refused goes on.
    let source = "try: bytearray(1 << 30)\nexcept MemoryError: print('refused')";
    assert_eq!(output(sandbox, source, None), "refused\n");
}

fn huge_strings_are_refused(sandbox: &Sandbox) {
    for source in
        ["'a' * 10**12", "b'x' * (1 << 40)", "' '.join(['x' * 10**6] * 10**6)", "f'{1:>{10**12}}'"]
    {
        let run = run_in(sandbox, source, None);
        let refused = matches!(run.verdict, Verdict::OutOfMemory | Verdict::Failed { code: 1 });
        assert!(refused, "{source}: {run:?}");
    }
}

fn huge_integers_end(sandbox: &Sandbox) {
    for source in ["x = 10 ** 10 ** 10", "x = 1 << (1 << 40)", "x = 3\nwhile True: x *= x"] {
        let verdict = run_endless(sandbox, source).verdict;
        let ended = [Verdict::OutOfTime, Verdict::OutOfMemory, Verdict::Failed { code: 1 }];
        assert!(ended.contains(&verdict), "{source}: {verdict:?}");
    }
    fails(sandbox, "str(10 ** 5000)", None, &["ValueError"]);
}

fn an_endless_loop_ends(sandbox: &Sandbox) {
    assert_eq!(run_endless(sandbox, "while True: pass").verdict, Verdict::OutOfTime);
}

/// Where waiting takes no time, the end of it comes at once.
fn an_endless_wait_ends(sandbox: &Sandbox) {
    let verdict = run_endless(sandbox, "import time; time.sleep(1e8)").verdict;
    assert!([Verdict::OutOfTime, Verdict::Finished].contains(&verdict), "{verdict:?}");
}

fn an_endless_expression_ends(sandbox: &Sandbox) {
    let run = run_endless(sandbox, "import re; re.match(r'(a+)+$', 'a' * 60 + 'b')");
    assert_eq!(run.verdict, Verdict::OutOfTime);
}

fn endless_output_ends(sandbox: &Sandbox) {
    for stream in ["stdout", "stderr"] {
        let source = format!("import sys\nwhile True: print('x' * 99, file=sys.{stream})");
        let run = run_in(sandbox, &source, None);
        assert_eq!(run.verdict, Verdict::TooMuchOutput);
        assert_eq!(run.stdout.len() + run.stderr.len(), 64 << 10);
    }
}

fn output_without_a_line_ends(sandbox: &Sandbox) {
    let run = run_in(sandbox, "print('x' * (10 << 20))", None);
    assert_eq!((run.verdict, run.stdout.len()), (Verdict::TooMuchOutput, 64 << 10));
    let run = run_in(sandbox, "import os\nwhile True: os.write(1, b'\\xff\\x00' * 1000)", None);
    assert_eq!(run.verdict, Verdict::TooMuchOutput);
}

fn deep_calls_end(sandbox: &Sandbox) {
    let run = run_in(sandbox, "def f(): f()\nf()", None);
    assert_eq!(run.verdict, Verdict::TooDeep, "{run:?}");
    assert!(run.stderr.contains("RecursionError"), "{}", run.stderr);
    let source = "import sys\nsys.setrecursionlimit(2**31 - 1)\ndef f(): f()\nf()";
    let run = run_endless(sandbox, source);
    assert!(is_an_end_of_depth(&run.verdict), "{run:?}");
}

fn deep_nesting_ends(sandbox: &Sandbox) {
    for source in [
        "try: eval('(' * 100000 + ')' * 100000)\nexcept SyntaxError: exit(1)",
        "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)",
        "import sys; sys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**6): x = [x]\nrepr(x)",
        "import json; json.loads('[' * 10**6)",
        "import pickle\nx = []\nfor _ in range(10**5): x = [x]\npickle.dumps(x)",
        "class A:\n    def __getattr__(self, n): return getattr(self, n)\nA().x",
    ] {
        let run = run_endless(sandbox, source);
        assert!(is_an_end_of_depth(&run.verdict), "{source}: {run:?}");
    }
}

/// Python bounds depth itself; what gets past that meets the stack's end, or memory's.
fn is_an_end_of_depth(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::TooDeep | Verdict::OutOfMemory | Verdict::OutOfTime => true,
        Verdict::Failed { code } => *code == 1,
        Verdict::Killed(reason) => reason.contains("the interpreter broke down"),
        _ => false,
    }
}

fn what_is_written_is_bounded(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    for source in [
        "f = open('a', 'wb')\nwhile True: f.write(b'x' * 65536)",
        "i = 0\nwhile True:\n    open(f'b{i}', 'wb').write(b'x' * (1 << 20))\n    i += 1",
        "f = open('c', 'wb')\nwhile True:\n    f.seek(0, 2)\n    f.write(b'x' * (1 << 20))",
    ] {
        let run = run_in(sandbox, source, Some(folder.path()));
        assert_eq!(run.verdict, Verdict::TooMuchWritten, "{source}: {run:?}");
    }
}

fn a_file_with_a_hole_is_bounded(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    for source in [
        "f = open('a', 'wb')\nf.seek(1 << 50)\nf.write(b'x')\nf.close()",
        "open('b', 'wb').truncate(1 << 50)",
        "import os\nfd = os.open('c', os.O_CREAT | os.O_RDWR)\nos.posix_fallocate(fd, 0, 1 << 50)",
        "import os\nfd = os.open('d', os.O_CREAT | os.O_RDWR)\nos.pwrite(fd, b'x', 1 << 50)",
    ] {
        let run = run_in(sandbox, source, Some(folder.path()));
        let ended = [Verdict::TooMuchWritten, Verdict::Failed { code: 1 }];
        assert!(ended.contains(&run.verdict), "{source}: {run:?}");
    }
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        assert!(entry.unwrap().metadata().unwrap().len() <= 4 << 20);
    }
}

fn the_number_of_files_is_bounded(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    let source = "i = 0\nwhile True:\n    open(f'f{i}', 'w').close()\n    i += 1";
    let run = run_in(sandbox, source, Some(folder.path()));
    assert_eq!(run.verdict, Verdict::TooMuchWritten, "{run:?}");
    let other = tempfile::tempdir().unwrap();
    let source = "import os\ni = 0\nwhile True:\n    os.mkdir(f'd{i}')\n    i += 1";
    let run = run_in(sandbox, source, Some(other.path()));
    assert_eq!(run.verdict, Verdict::TooMuchWritten, "{run:?}");
}

fn many_open_files_are_refused(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "a").unwrap();
    let source = "held = []\nwhile True: held.append(open('a'))";
    let run = run_in(sandbox, source, Some(folder.path()));
    assert_eq!(run.verdict, Verdict::Failed { code: 1 }, "{run:?}");
    assert!(run.stderr.contains("OSError"), "{}", run.stderr);
}

fn threads_are_bounded(sandbox: &Sandbox) {
    let source = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()";
    let run = run_endless(sandbox, source);
    let ended = [Verdict::OutOfMemory, Verdict::Failed { code: 1 }, Verdict::OutOfTime];
    assert!(ended.contains(&run.verdict), "{run:?}");
}

/// It catches every exception, the end of memory and depth among them.
fn a_stubborn_program_ends(sandbox: &Sandbox) {
    for act in [
        "pass",
        "bytearray(1 << 40)",
        "raise SystemExit",
        "f()",
        "exit()",
        "raise KeyboardInterrupt",
    ] {
        let source = format!(
            "def f():\n    while True:\n        try: {act}\n        except BaseException: pass\n\
             while True:\n    try: f()\n    except BaseException: pass"
        );
        let verdict = run_endless(sandbox, &source).verdict;
        assert!(is_an_end_of_depth(&verdict), "{act}: {verdict:?}");
    }
    let source = "class A:\n    def __del__(self):\n        while True: pass\na = A()";
    let verdict = run_endless(sandbox, source).verdict;
    assert!([Verdict::OutOfTime, Verdict::Finished].contains(&verdict), "{verdict:?}");
    let source = "import atexit\n@atexit.register\ndef f():\n    while True: pass";
    assert_eq!(run_endless(sandbox, source).verdict, Verdict::OutOfTime);
}

fn nothing_is_left_behind(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    let source = "import threading\ndef f():\n    while True: open('/work/alive', 'a').write('x')\n\
        try: threading.Thread(target=f, daemon=True).start()\nexcept RuntimeError: pass";
    run_in(sandbox, source, Some(folder.path()));
    // What ran there is gone when `run` returns: nothing is written any more.
    let alive = folder.path().join("alive");
    let before = std::fs::metadata(&alive).map(|metadata| metadata.len()).ok();
    let source = "x = sum(range(10**6))";
    run_in(sandbox, source, None);
    assert_eq!(std::fs::metadata(&alive).map(|metadata| metadata.len()).ok(), before);
    let elsewhere = "open('/tmp/mynah-left-behind', 'w').write('x')";
    run_in(sandbox, elsewhere, Some(folder.path()));
    assert!(!Path::new("/tmp/mynah-left-behind").exists());
    let source = "print(open('/tmp/mynah-left-behind').read())";
    fails(sandbox, source, Some(folder.path()), NO_FILE);
}
