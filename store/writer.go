package store

import (
	"container/list"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// What the writer keeps and sends at most. A batch must be done well within Timeout, and a store that hangs
// must not fill the memory.
const (
	maxBatchOps    = 8192      // operations in a batch, unless its only group has more
	maxBatchBytes  = 8 << 20   // bytes of data in a batch, likewise
	maxQueued      = 128 << 10 // groups that wait or are in flight
	maxQueuedBytes = 256 << 20 // bytes of their data and keys
)

// Writer is the one way to write to a Store: it gathers what many goroutines write at the same time into
// batches. One batch is in flight at a time; what arrives meanwhile goes into the next, and a group
// that finds nothing in flight goes at once, alone, in the goroutine of its caller: a switch to another
// would cost a lone write more than all the rest of it but the disk.
//
// Groups that share a key are written in the order in which Write was called, each in a batch of its own;
// groups that do not are free to overtake one another. All methods may be called from several goroutines.
type Writer struct {
	store Store
	wake  chan struct{} // holds one token when there may be something to do
	stop  chan struct{} // closed by Close
	done  chan struct{} // closed when the goroutine has ended

	mu      sync.Mutex
	closed  bool
	busy    bool                // somebody does a batch
	leaders sync.WaitGroup      // callers who do one
	ready   list.List           // of *write: those whose keys are free, first come first
	lines   map[string][]*write // who wants a key, first come first; the first of a line has the key
	queued  int
	bytes   int
}

type write struct {
	group   Group
	bytes   int
	ahead   int           // how many of its keys another write has
	ready   *list.Element // its place in Writer.ready
	flying  bool          // given to the store: can no longer be taken back
	outcome chan Result
}

// NewWriter starts a Writer of s. There should be one for a store. Close it before the store.
func NewWriter(s Store) *Writer {
	w := &Writer{
		store: s,
		wake:  make(chan struct{}, 1),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
		lines: make(map[string][]*write),
	}
	go w.run()
	return w
}

// Write does a group, durably, and returns its revision. Its errors are those of the store; ErrUnavailable
// also when far too much is waiting already.
//
// If ctx ends while the group waits for its turn, it is taken out and Write returns the error of ctx: nothing
// was or will be written. Once the group has been handed to the store, Write ignores ctx and
// waits for the outcome, which the store gives within Timeout: an answer that is late is worth more
// than none, and an unknown outcome has to be settled by a further write.
func (w *Writer) Write(ctx context.Context, g Group) (rev int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := Check([]Group{g}); err != nil {
		return 0, err
	}
	wr := &write{group: g, outcome: make(chan Result, 1)}
	for _, op := range g {
		wr.bytes += len(op.Key) + len(op.Data)
	}
	lead, err := w.enqueue(wr)
	if err != nil {
		return 0, err
	}
	if lead {
		w.round()
		w.leaders.Done()
	}
	select {
	case r := <-wr.outcome:
		return r.Rev, r.Err
	case <-ctx.Done():
		if w.withdraw(wr) {
			return 0, ctx.Err()
		}
		r := <-wr.outcome
		return r.Rev, r.Err
	}
}

// Close refuses what still waits with ErrClosed, nothing of it written, and returns when the batch in flight
// has been answered. It does not close the store.
func (w *Writer) Close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.stop)
		for _, line := range w.lines {
			for _, wr := range line {
				if !wr.flying && wr.group != nil {
					wr.group = nil // it stands in several lines: answer once
					wr.outcome <- Result{Err: ErrClosed}
				}
			}
		}
		w.ready.Init()
	}
	w.mu.Unlock()
	<-w.done
	w.leaders.Wait()
}

// enqueue puts a write into its lines. It reports whether the caller is to do the next batch, which has that write.
func (w *Writer) enqueue(wr *write) (lead bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false, ErrClosed
	}
	if w.queued >= maxQueued || w.bytes+wr.bytes > maxQueuedBytes {
		return false, fmt.Errorf("%w: %d writes of %d bytes are waiting already", ErrUnavailable, w.queued, w.bytes)
	}
	w.queued++
	w.bytes += wr.bytes
	for _, op := range wr.group {
		line := w.lines[op.Key]
		if len(line) > 0 {
			wr.ahead++
		}
		w.lines[op.Key] = append(line, wr)
	}
	if wr.ahead > 0 {
		return false, nil
	}
	w.makeReady(wr)
	if w.busy {
		return false, nil
	}
	w.busy = true
	w.leaders.Add(1)
	return true, nil
}

// makeReady is called with the lock held. Whoever is busy sees it when done.
func (w *Writer) makeReady(wr *write) { wr.ready = w.ready.PushBack(wr) }

// withdraw takes a write out of the queue; false if the store has it, or has answered.
func (w *Writer) withdraw(wr *write) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if wr.flying || w.closed {
		return false
	}
	if wr.ready != nil {
		w.ready.Remove(wr.ready)
	}
	w.leave(wr)
	return true
}

// leave takes a write out of the lines of its keys, and lets those move up that stood behind it. It is called
// with the lock held.
func (w *Writer) leave(wr *write) {
	for _, op := range wr.group {
		line := w.lines[op.Key]
		if line[0] != wr {
			for i := range line {
				if line[i] == wr {
					w.lines[op.Key] = append(line[:i], line[i+1:]...)
					break
				}
			}
			continue
		}
		line[0] = nil
		line = line[1:]
		if len(line) == 0 {
			delete(w.lines, op.Key)
			continue
		}
		w.lines[op.Key] = line
		if line[0].ahead--; line[0].ahead == 0 && !w.closed {
			w.makeReady(line[0])
		}
	}
	w.queued--
	w.bytes -= wr.bytes
}

// run does the batches that gather while another is in flight.
func (w *Writer) run() {
	defer close(w.done)
	for {
		w.mu.Lock()
		do := !w.busy && w.ready.Len() > 0
		w.busy = w.busy || do
		w.mu.Unlock()
		if do {
			w.round()
			continue
		}
		select {
		case <-w.wake:
		case <-w.stop:
			return
		}
	}
}

// round does one batch. The caller has made the writer busy; who waits after it is left to run.
func (w *Writer) round() {
	batch := w.take()
	var results []Result
	if len(batch) > 0 { // Close may have refused them all
		results = w.apply(batch)
	}
	w.mu.Lock()
	for _, wr := range batch {
		w.leave(wr)
	}
	w.busy = false
	if w.ready.Len() > 0 {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	w.mu.Unlock()
	for i, wr := range batch {
		wr.outcome <- results[i]
	}
}

// take makes the next batch of what is ready. No two of those that are ready share a key.
func (w *Writer) take() []*write {
	w.mu.Lock()
	defer w.mu.Unlock()
	var batch []*write
	ops, bytes := 0, 0
	for len(batch) < MaxBatch {
		first := w.ready.Front()
		if first == nil {
			break
		}
		wr := first.Value.(*write)
		ops += len(wr.group)
		bytes += wr.bytes
		if len(batch) > 0 && (ops > maxBatchOps || bytes > maxBatchBytes) {
			break
		}
		w.ready.Remove(first)
		wr.flying = true
		batch = append(batch, wr)
	}
	return batch
}

// apply has the store do a batch, and gives one result for each write whatever becomes of it.
func (w *Writer) apply(batch []*write) []Result {
	groups := make([]Group, len(batch))
	for i, wr := range batch {
		groups[i] = wr.group
	}
	results, err := w.call(groups)
	if err == nil && len(results) == len(batch) {
		return results
	}
	if err == nil {
		err = fmt.Errorf("%w: %d results for %d groups", ErrUnknown, len(results), len(batch))
	}
	results = make([]Result, len(batch))
	for i := range results {
		results[i].Err = err
	}
	return results
}

// call has the store do a batch, which answers within Timeout by itself. A panic of it concerns this batch only: were the
// writer left busy, nothing would be written ever again.
func (w *Writer) call(groups []Group) (results []Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("the store panicked", "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: the store panicked: %v", ErrUnknown, v)
		}
	}()
	return w.store.Apply(context.Background(), groups)
}
