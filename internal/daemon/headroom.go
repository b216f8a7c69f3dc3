package daemon

// headroom is how much garbage may gather, beside what GOGC allows for what
// lives, before the collector runs. A daemon that rests holds some 20 MB, and a
// burst of a thousand cold verdicts makes twice as much garbage: the collector
// would run all through it, and cost a tenth of the processor's time.
const headroom = 64 << 20

// Headroom is for the process that serves: as long as the caller keeps it alive
// (runtime.KeepAlive), the collector lets 64 MB of garbage gather. It is never
// written to, so that it takes address space and no memory itself.
func Headroom() []byte { return make([]byte, headroom) }
