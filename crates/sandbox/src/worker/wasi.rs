//! A Python for WASI in this process.

use std::ffi::OsString;
use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use wasmtime::{Engine, Linker, Store};

use super::guest::{Guest, OpenUp};
use super::{Arguments, lockdown, preview1};
use crate::compiled;
use crate::frame::{self, Cell, LARGEST_CELL_BYTES};

/// How exactly a deadline is kept.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// How the bootstrap opens the file that speaks with the host.
const CONTROL: &str = r#"open("/.mynah/cells", "r+b", buffering=0)"#;

/// Runs cells as they come. `arguments`: the compiled interpreter, the mark by which it is known
/// again, and the folder of its library or nothing.
pub(super) fn run(arguments: &[OsString]) -> Result<(), String> {
    if cfg!(target_os = "linux") {
        // Landlock binds this thread: there must be no other before it does.
        return run_here(arguments);
    }
    // Elsewhere a program's first thread may have too small a stack.
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(4 * compiled::STACK_BYTES);
        let run = thread.spawn_scoped(scope, || run_here(arguments)).map_err(|e| e.to_string())?;
        run.join().unwrap_or_else(|_| Err("the interpreter's host broke down".into()))
    })
}

fn run_here(arguments: &[OsString]) -> Result<(), String> {
    let mut arguments = Arguments::new(arguments);
    let (path, mark) = (arguments.path()?, arguments.text()?);
    let engine = compiled::engine().map_err(|error| error.to_string())?;
    lockdown::first()?;
    let module = compiled::load(&engine, &path, mark).map_err(|error| error.to_string())?;
    let script = super::bootstrap(CONTROL, false);
    let words = ["python", "-I", "-B", "-u", "-c", &script];
    let library = arguments.path().ok();
    let (ticked, shown) = (engine.clone(), library.clone());
    let open_up: OpenUp = Box::new(move |cell| {
        // Landlock binds the thread that asks and those that it starts afterwards.
        lockdown::files(cell.folder.as_deref(), shown.as_deref())?;
        // How a thread starts takes calls that it has no need of later.
        let (started, wait) = mpsc::channel();
        tick(ticked, started.clone());
        let cells = listen(started);
        if wait.iter().take(2).count() < 2 {
            return Err("its threads do not start".into());
        }
        lockdown::calls()?;
        Ok(cells)
    });
    let mut guest = Guest::new(words.map(|word| word.as_bytes().to_vec()).to_vec(), open_up);
    if let Some(library) = &library {
        guest.descriptors.lend(library).map_err(|error| {
            format!("the library {} cannot be opened: {error}", library.display())
        })?;
    }
    let mut store = Store::new(&engine, guest);
    store.limiter(|guest| guest);
    // Nobody counts yet. A child that does not become ready is ended by the host.
    store.set_epoch_deadline(1);
    let end = enter(&engine, &mut store, &module);
    let guest = store.data_mut();
    if let Some(verdict) = guest.verdict_of_end(end) {
        // A host that is gone needs no report.
        let _ = guest.report(verdict, false);
    }
    Ok(())
}

/// Runs the interpreter until it ends.
fn enter(
    engine: &Engine,
    store: &mut Store<Guest>,
    module: &wasmtime::Module,
) -> wasmtime::Result<()> {
    let mut linker = Linker::new(engine);
    preview1::link(&mut linker)?;
    let instance = linker.instantiate(&mut *store, module)?;
    store.data_mut().memory = instance.get_memory(&mut *store, "memory");
    instance.get_typed_func::<(), ()>(&mut *store, "_start")?.call(store, ())
}

/// Bounds the time that is left.
pub(crate) fn set_time(mut store: impl wasmtime::AsContextMut<Data = Guest>, seconds: f64) {
    // A number of seconds that makes no sense is none.
    let ticks = (seconds / TICK.as_secs_f64()).ceil().max(0.0) as u64;
    store.as_context_mut().set_epoch_deadline(ticks.min(u64::MAX / 4));
}

/// Hands out the cells that come through standard input; ends the process when the host is gone.
fn listen(started: Sender<()>) -> mpsc::Receiver<Cell> {
    let (to_guest, cells) = mpsc::channel();
    thread::spawn(move || {
        // Whoever started this thread waits for it.
        let _ = started.send(());
        drop(started);
        hear(&to_guest);
        std::process::exit(0);
    });
    cells
}

fn hear(to_guest: &Sender<Cell>) {
    let mut stdin = io::stdin().lock();
    while let Ok(Some(bytes)) = frame::receive(&mut stdin, LARGEST_CELL_BYTES) {
        let Some(cell) = Cell::from_frame(&bytes) else { return };
        if to_guest.send(cell).is_err() {
            return;
        }
    }
}

/// Counts time for the guest, on another thread.
fn tick(engine: Engine, started: Sender<()>) {
    thread::spawn(move || {
        // Whoever started this thread waits for it.
        let _ = started.send(());
        drop(started);
        loop {
            thread::sleep(TICK);
            engine.increment_epoch();
        }
    });
}
