# Runs cells that the host sends, one after the other. CONTROL opens what speaks with the host:
# a line of three numbers (whether variables live on; how long source and standard input are), then
# source and standard input. Back goes "ready", then a word for how each cell ended.

# The flag with which `compile` gives a tree.
ONLY_TREE = 0x400


def main():
    # What is not built into the interpreter takes it longer to import than most programs run.
    import _ast, atexit, errno, os, sys

    control = CONTROL
    streams = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        os.chdir("/work")
    except OSError:
        pass
    sys.path.insert(0, "/work")
    sys.argv = ["program.py"]
    program = type(sys)("__main__")
    program.__builtins__ = __builtins__
    sys.modules["__main__"] = program
    count = 0
    sources = {}

    class Loader:
        # Where a traceback that a program prints itself finds its lines; cells do without.
        def get_source(self, name):
            return sources.get("program.py")

    program.__loader__ = Loader()

    def take(length):
        pieces = []
        while length:
            piece = control.read(min(length, 1 << 16))
            if not piece:
                raise SystemExit
            pieces.append(piece)
            length -= len(piece)
        return b"".join(pieces)

    def receive():
        line = b""
        while not line.endswith(b"\n"):
            line += take(1)
        lives_on, source, stdin = map(int, line.split())
        source = take(source).decode("utf-8")
        if stdin or STDIN_IS_HERE:
            hand_over(take(stdin))
        return lives_on == 1, source

    def hand_over(stdin):
        fd = os.open("/tmp", os.O_TMPFILE | os.O_RDWR)
        left = memoryview(stdin)
        while left:
            left = left[os.write(fd, left) :]
        os.lseek(fd, 0, os.SEEK_SET)
        os.dup2(fd, 0)
        os.close(fd)
        sys.stdin = open(0, encoding="utf-8", errors="backslashreplace", closefd=False)

    def remember():
        import linecache

        for name, source in sources.items():
            linecache.cache[name] = (len(source), None, source.splitlines(True), name)

    def compiled(source, name, prints):
        tree = compile(source, name, "exec", flags=ONLY_TREE)
        last = tree.body[-1] if prints and tree.body else None
        if not isinstance(last, _ast.Expr):
            return [compile(tree, name, "exec")]
        rest = _ast.Module(tree.body[:-1], tree.type_ignores)
        return [compile(rest, name, "exec"), compile(_ast.Interactive([last]), name, "single")]

    def show(fault, trace):
        import traceback

        remember()
        traceback.print_exception(type(fault), fault, trace)

    def release(trace):
        while trace:
            try:
                trace.tb_frame.clear()
            except RuntimeError:
                pass
            trace = trace.tb_next

    def code_of(end):
        if end.code is None:
            return 0
        if isinstance(end.code, int):
            return end.code
        print(end.code, file=sys.stderr)
        return 1

    def run(source, name, prints):
        try:
            for part in compiled(source, name, prints):
                exec(part, program.__dict__)
            return "finished"
        except SystemExit as end:
            return f"exit {code_of(end)}"
        except BaseException as fault:
            # The frames above the program are none of its business.
            trace = fault.__traceback__
            while trace and trace.tb_frame.f_code.co_filename == "<string>":
                trace = trace.tb_next
            kind = "exit 1"
            if isinstance(fault, OSError) and fault.errno in (errno.EFBIG, errno.ENOSPC):
                kind = "written"
            if isinstance(fault, (MemoryError, RecursionError)):
                kind = "memory" if isinstance(fault, MemoryError) else "depth"
                # What the program holds may be what the traceback needs.
                fault.__traceback__ = fault.__context__ = None
                release(trace)
            try:
                show(fault, trace)
            except BaseException:
                # What is left of memory or of open files is too little for that.
                sys.__excepthook__(type(fault), fault, trace)
            return kind

    control.write(b"ready")
    while True:
        lives_on, source = receive()
        count += 1
        name = f"cell {count}" if lives_on else "program.py"
        sources[name] = source
        result = run(source, name, lives_on)
        try:
            if not lives_on:
                atexit._run_exitfuncs()
            for stream in streams:
                stream.flush()
        except BaseException:
            pass
        control.write(result.encode())


main()
