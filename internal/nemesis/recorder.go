//go:build linux

package nemesis

import (
	"bufio"
	"encoding/json"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/editlock/editlock/internal/history"
)

// now is the machine's monotonic clock, which all its processes share.
func now() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// recorder writes down what happens. What a client is about to do is written before it does it.
type recorder struct {
	mu    sync.Mutex
	lines []history.Line
	out   *bufio.Writer
	enc   *json.Encoder
	calls atomic.Int64
}

func newRecorder(journal io.Writer) *recorder {
	r := &recorder{out: bufio.NewWriterSize(journal, 1<<16)}
	r.enc = json.NewEncoder(r.out)
	return r
}

// say writes a line down, with the present time if it has none.
func (r *recorder) say(l history.Line) {
	if l.T == 0 {
		l.T = now()
	}
	if l.Kind == history.Call {
		r.calls.Add(1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
	_ = r.enc.Encode(l)
}

func (r *recorder) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.Flush()
}

// watchClocks notes when the machine did not let this process run, and what the wall clock says, until done is closed.
func (r *recorder) watchClocks(done <-chan struct{}) {
	const beat, late = 20 * time.Millisecond, 100 * time.Millisecond
	tick := time.NewTicker(beat)
	defer tick.Stop()
	last, beats := now(), 0
	for {
		t := now()
		if t-last > int64(beat+late) {
			r.say(history.Line{Kind: history.Stall, T: last, Until: t})
		}
		if beats%500 == 0 {
			r.say(history.Line{Kind: history.Clock, T: t, Wall: time.Now().UnixMicro()})
		}
		last = t
		beats++
		select {
		case <-tick.C:
		case <-done:
			return
		}
	}
}
