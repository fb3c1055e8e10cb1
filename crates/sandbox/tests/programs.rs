//! What programs find that mean no harm.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "what fails here fails the test")]

mod support;

use std::sync::atomic::AtomicBool;

use mynah_sandbox::{Limits, Program, Sandbox, Verdict};

use support::{limits, output, run_in};

/// Tests that hold in each sandbox.
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
    a_program_reads_and_prints;
    errors_have_a_traceback_of_the_program_alone;
    exit_codes_are_told;
    a_folder_is_read_and_written;
    without_a_folder_nothing_is_kept;
    main_is_the_program;
    variables_live_on_in_a_session;
    a_session_ends_with_a_broken_limit;
    the_person_stops_it;
    nothing_goes_on_between_cells;
    a_long_input_that_is_not_read_holds_nobody_up;
    what_was_printed_before_the_end_is_there;
    programs_run_at_the_same_time;
}

fn a_program_reads_and_prints(sandbox: &Sandbox) {
    let source = "import sys\nname = input()\nprint('hello,', name)\nprint(sys.stdin.read(), file=sys.stderr)";
    let program = Program { stdin: "Zoë\nmore".as_bytes(), ..Program::new(source) };
    let run = sandbox.run(&program, &limits(), &AtomicBool::new(false)).unwrap();
    assert_eq!(
        (run.verdict, run.stdout.as_str(), run.stderr.as_str()),
        (Verdict::Finished, "hello, Zoë\n", "more\n")
    );
    let run = run_in(sandbox, "input()", None);
    assert!(run.stderr.ends_with("EOFError: EOF when reading a line\n"), "{}", run.stderr);
}

fn errors_have_a_traceback_of_the_program_alone(sandbox: &Sandbox) {
    let run = run_in(sandbox, "def f():\n    return 1 / 0\n\nf()\n", None);
    assert_eq!(run.verdict, Verdict::Failed { code: 1 });
    let lines: Vec<&str> = run.stderr.lines().filter(|line| !line.contains('~')).collect();
    assert_eq!(
        lines,
        [
            "Traceback (most recent call last):",
            "  File \"program.py\", line 4, in <module>",
            "    f()",
            "  File \"program.py\", line 2, in f",
            "    return 1 / 0",
            "ZeroDivisionError: division by zero",
        ]
    );
    let source =
        "import traceback\ntry:\n    [][1]\nexcept IndexError: print(traceback.format_exc())";
    assert!(output(sandbox, source, None).contains("line 3, in <module>\n    [][1]\n"));
    let run = run_in(sandbox, "x = (1,\n", None);
    assert_eq!(run.verdict, Verdict::Failed { code: 1 });
    assert!(run.stderr.contains("SyntaxError") && !run.stderr.contains("<string>"), "{run:?}");
}

fn exit_codes_are_told(sandbox: &Sandbox) {
    for (source, verdict) in [
        ("import sys; sys.exit(0)", Verdict::Finished),
        ("raise SystemExit", Verdict::Finished),
        ("exit(7)", Verdict::Failed { code: 7 }),
        ("import sys; sys.exit('a reason')", Verdict::Failed { code: 1 }),
        ("import os; os._exit(3)", Verdict::Failed { code: 3 }),
        ("import os; os._exit(0)", Verdict::Finished),
    ] {
        assert_eq!(run_in(sandbox, source, None).verdict, verdict, "{source}");
    }
}

fn a_folder_is_read_and_written(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("numbers.csv"), "1\n2\n").unwrap();
    std::fs::write(folder.path().join("mine.py"), "def double(x): return 2 * x\n").unwrap();
    let source = "import os, mine, pathlib, shutil\n\
        total = sum(int(x) for x in open('numbers.csv'))\n\
        os.makedirs('a/b')\n\
        pathlib.Path('/work/a/b/sum.txt').write_text(str(mine.double(total)))\n\
        with open('log', 'a') as f: f.write('x')\n\
        with open('log', 'ab') as f: f.write(b'y')\n\
        with open('log', 'r+') as f: f.seek(1); f.write('z'); f.truncate(2)\n\
        os.rename('log', 'a/log')\n\
        shutil.copy('a/log', 'copy')\n\
        open('gone', 'w').close(); os.remove('gone')\n\
        os.mkdir('d'); os.rmdir('d')\n\
        print(sorted(os.listdir('.')), os.getcwd(), os.path.getsize('a/log'))\n\
        print([(d, sorted(f)) for d, _, f in os.walk('a')])\n";
    assert_eq!(
        output(sandbox, source, Some(folder.path())),
        "['a', 'copy', 'mine.py', 'numbers.csv'] /work 2\n[('a', ['log']), ('a/b', ['sum.txt'])]\n"
    );
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!((read("a/b/sum.txt").as_str(), read("copy").as_str()), ("6", "xz"));
}

fn without_a_folder_nothing_is_kept(sandbox: &Sandbox) {
    let source = "import os\nprint(os.listdir('/work'))\n\
        try: open('/work/x', 'w')\nexcept OSError as error: print('no')";
    assert_eq!(output(sandbox, source, None), "[]\nno\n");
}

fn main_is_the_program(sandbox: &Sandbox) {
    let source = "import dataclasses, pickle, json, re, random, datetime, decimal, collections\n\
        @dataclasses.dataclass\nclass P:\n    x: int\n\
        if __name__ == '__main__':\n    print(pickle.loads(pickle.dumps(P(3))))\n\
        import atexit\natexit.register(print, 'at exit')";
    assert_eq!(output(sandbox, source, None), "P(x=3)\nat exit\n");
}

fn variables_live_on_in_a_session(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    let mut session = sandbox.session(folder.path()).unwrap();
    let stop = AtomicBool::new(false);
    let mut cell = |source: &str| {
        let run = session.run(source, &limits(), &stop).unwrap();
        (run.verdict, run.stdout, run.stderr.lines().last().unwrap_or_default().to_owned())
    };
    let finished = |text: &str| (Verdict::Finished, text.to_owned(), String::new());
    assert_eq!(cell("x = 20\ndef f(y): return x + y"), finished(""));
    assert_eq!(cell("f(22)"), finished("42\n"));
    assert_eq!(cell("x = 'ä'; x"), finished("'ä'\n"));
    assert_eq!(
        cell("nothing"),
        (
            Verdict::Failed { code: 1 },
            String::new(),
            "NameError: name 'nothing' is not defined".into()
        )
    );
    assert_eq!(cell("open('kept', 'w').write(x)"), finished("1\n"));
    assert_eq!(cell("import sys; sys.exit(4)").0, Verdict::Failed { code: 4 });
    assert_eq!(cell("print(open('kept').read(), f('ö'))"), finished("ä äö\n"));
    assert!(session.is_alive());
}

fn a_session_ends_with_a_broken_limit(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    let mut session = sandbox.session(folder.path()).unwrap();
    let stop = AtomicBool::new(false);
    let short = Limits { seconds: 0.2, ..limits() };
    let run = session.run("print('begun')\nwhile True: pass", &short, &stop).unwrap();
    assert_eq!((run.verdict, run.stdout.as_str()), (Verdict::OutOfTime, "begun\n"));
    assert!(!session.is_alive());
    assert_eq!(session.run("1", &short, &stop).unwrap_err().to_string(), "the session has ended");
}

fn the_person_stops_it(sandbox: &Sandbox) {
    let stop = AtomicBool::new(false);
    let long = Limits { seconds: 600.0, ..limits() };
    let folder = tempfile::tempdir().unwrap();
    let begun = folder.path().join("begun");
    let program = Program {
        folder: Some(folder.path()),
        ..Program::new("while True: open('begun', 'a').write('x')")
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !begun.exists() {
                std::thread::yield_now();
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let run = sandbox.run(&program, &long, &stop).unwrap();
        assert_eq!(run.verdict, Verdict::Stopped);
    });
    // It does not go on unseen.
    let length = || std::fs::metadata(&begun).unwrap().len();
    let before = length();
    output(sandbox, "sum(range(10**5))", None);
    assert_eq!(length(), before);
}

fn nothing_goes_on_between_cells(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    let mut session = sandbox.session(folder.path()).unwrap();
    let stop = AtomicBool::new(false);
    let source = "import threading\nopen('alive', 'w').close()\ncount = 0\ndef f():\n    global count\n    \
        while True:\n        count += 1\n        open('alive', 'a').write('x')\n\
        try: threading.Thread(target=f, daemon=True).start()\nexcept RuntimeError: pass";
    assert_eq!(session.run(source, &limits(), &stop).unwrap().verdict, Verdict::Finished);
    let length = || std::fs::metadata(folder.path().join("alive")).unwrap().len();
    let before = length();
    output(sandbox, "sum(range(10**5))", None);
    assert_eq!(length(), before);
    assert_eq!(session.run("count >= 0", &limits(), &stop).unwrap().stdout, "True\n");
}

fn a_long_input_that_is_not_read_holds_nobody_up(sandbox: &Sandbox) {
    let stdin = vec![b'x'; 3 << 20];
    for (source, expected) in [("print(1)", "1\n"), ("print(len(input()))", "3145728\n")] {
        let program = Program { stdin: &stdin, ..Program::new(source) };
        let run = sandbox.run(&program, &limits(), &AtomicBool::new(false)).unwrap();
        assert_eq!((run.verdict, run.stdout.as_str()), (Verdict::Finished, expected));
    }
    // A cell that takes the next one's place and never reads it.
    let folder = tempfile::tempdir().unwrap();
    let mut session = sandbox.session(folder.path()).unwrap();
    let stop = AtomicBool::new(false);
    let forge = "import sys\nf = sys._getframe()\n\
        while 'control' not in f.f_locals: f = f.f_back\n\
        f.f_locals['control'].write(b'finished')\nwhile True: pass";
    session.run(forge, &Limits { seconds: 0.3, ..limits() }, &stop).unwrap();
    if session.is_alive() {
        let long = format!("# {}", "x".repeat(3 << 20));
        let run = session.run(&long, &Limits { seconds: 0.3, ..limits() }, &stop).unwrap();
        assert_eq!(run.verdict, Verdict::OutOfTime);
    }
}

fn what_was_printed_before_the_end_is_there(sandbox: &Sandbox) {
    let run = run_in(sandbox, "print('one')\nimport os\nos._exit(5)", None);
    assert_eq!((run.verdict, run.stdout.as_str()), (Verdict::Failed { code: 5 }, "one\n"));
}

fn programs_run_at_the_same_time(sandbox: &Sandbox) {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|i| scope.spawn(move || output(sandbox, &format!("print({i} ** 2)"), None)))
            .collect();
        let squares: Vec<String> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        assert_eq!(squares, ["0\n", "1\n", "4\n", "9\n"]);
    });
}

#[test]
fn clock_and_randomness_are_the_same_always() {
    let source = "import time, random, os, datetime, uuid\n\
        begin = time.monotonic(); time.sleep(3600)\n\
        print(round(time.monotonic() - begin), datetime.date.today(), random.random(),\n\
              os.urandom(4).hex(), uuid.uuid4(), hash('x'), dict(os.environ))\n\
        until = time.time() + 0.01\nwhile time.time() < until: pass\n";
    let first = output(support::wasi(), source, None);
    assert!(first.starts_with("3600 2025-01-01 ") && first.ends_with(" {}\n"), "{first}");
    assert_eq!(output(support::wasi(), source, None), first);
}

#[test]
fn a_library_is_read_and_not_changed() {
    let library = tempfile::tempdir().unwrap();
    std::fs::write(library.path().join("a"), "lent").unwrap();
    let files =
        mynah_sandbox::WasiFiles { library: Some(library.path().to_owned()), ..support::files() };
    let sandbox = Sandbox::wasi(&files, &support::cache(), &support::worker(), 1).unwrap();
    let source = "import os\nprint(open('/lib/a').read(), os.listdir('/lib'))\n\
        def refused(act, *words):\n    try: act(*words)\n    except OSError: return True\n\
        print([refused(open, '/lib/a', 'w'), refused(open, '/lib/b', 'w'), refused(os.mkdir, '/lib/c'),\n\
               refused(os.remove, '/lib/a'), refused(os.rename, '/lib/a', '/work/a'),\n\
               refused(os.truncate, '/lib/a', 0), refused(os.utime, '/lib/a')])";
    let folder = tempfile::tempdir().unwrap();
    let expected = "lent ['a']\n[True, True, True, True, True, True, True]\n";
    assert_eq!(output(&sandbox, source, Some(folder.path())), expected);
    assert_eq!(std::fs::read_to_string(library.path().join("a")).unwrap(), "lent");
}

#[test]
fn a_process_that_is_no_worker_is_refused() {
    let shell = |script: &str| mynah_sandbox::Worker {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
    };
    for (script, reason) in [
        ("exit 3", "ended by itself: exit status: 3"),
        ("head -c 100000 /dev/zero | tr '\\0' '\\377'; sleep 60", "ended by itself"),
        ("printf '\\004\\000\\000\\000\\001abc'; sleep 60", "does not start: abc"),
    ] {
        let error = Sandbox::wasi(&support::files(), &support::cache(), &shell(script), 1);
        let error = error.err().unwrap().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_machines_packages_are_there_and_a_python_that_is_none_is_refused() {
    let worker = support::worker();
    let choice = mynah_sandbox::OsChoice { python: Some("/bin/true".into()) };
    let error = Sandbox::os(&choice, &worker, 1).err().unwrap().to_string();
    assert!(error.starts_with("this system cannot hold a program: "), "{error}");
    let choice = mynah_sandbox::OsChoice { python: Some("/nowhere/python3".into()) };
    assert!(Sandbox::os(&choice, &worker, 1).is_err());
    if let Some(sandbox) = support::os() {
        let source = "import sys, ctypes, multiprocessing, ssl; print(sys.executable)";
        assert!(output(sandbox, source, None).contains("python3"));
    }
}
