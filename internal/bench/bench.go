// Package bench measures editlock over real WebSockets, beside what the same machine does in the same run without it.
//
// Time: a hand-over is timed from just before the holder sends its release until the frame that grants has arrived at the
// first waiter. Its floor is a relay over the same WebSocket library and the same JSON, which keeps no lock and before it tells the
// next one writes one record and waits for fdatasync. Blocks of both alternate, so that a busy machine is busy for both,
// and nothing else is under way when a hand-over begins, as it is when people hand over.
//
// Memory: what the resident set of a server process grows by for each idle session, beside the same
// number of bare connections of the WebSocket library.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"time"
)

// Options of a run. The zero value of a member means its default.
type Options struct {
	Dir     string // for the data file, on the disk that is to be measured; default: the working directory
	Waiters []int  // lengths of the queue; default 1, 10, 100
	Rounds  int    // hand-overs and acquires measured for each; default 300
	// Pause is for how long nothing may have happened before a hand-over is timed, as when people hand over. Default 20 ms;
	// negative: one comes right after the other.
	Pause   time.Duration
	AtMost  float64 // Run fails if a hand-over takes longer than so many times its floor (p50); 0: whatever it takes
	Counted bool    // measure also a server that counts for operators, in turn with the one that does not
	Sockets int     // idle sessions for the measurement of memory; default 15000; negative: leave it out
	Out     io.Writer
	// Child gives the command that runs Child with these arguments in a process of its own.
	Child func(ctx context.Context, args ...string) *exec.Cmd
}

// Run measures and prints. It takes a minute or two with the defaults.
func Run(ctx context.Context, o Options) error {
	if o.Dir == "" {
		o.Dir = "."
	}
	if len(o.Waiters) == 0 {
		o.Waiters = []int{1, 10, 100}
	}
	if o.Rounds == 0 {
		o.Rounds = 300
	}
	if o.Pause == 0 {
		o.Pause = 20 * time.Millisecond
	}
	if o.Sockets == 0 {
		o.Sockets = 15000
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Rounds < 1 || slices.Min(o.Waiters) < 1 || slices.Max(o.Waiters) > 200 {
		return errors.New("bench: rounds must be at least 1, and waiters 1 to 200, the length of a queue")
	}
	dir, err := os.MkdirTemp(o.Dir, "editlock-bench-")
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	if err := handOvers(ctx, o, dir); err != nil {
		return fmt.Errorf("bench: hand-over: %w", err)
	}
	if err := acquires(ctx, o, dir); err != nil {
		return fmt.Errorf("bench: acquire: %w", err)
	}
	if o.Sockets < 0 {
		return nil
	}
	if err := memory(ctx, o, dir); err != nil {
		return fmt.Errorf("bench: memory: %w", err)
	}
	return nil
}

// times are what was measured, sorted.
type times []time.Duration

// at returns the value below which a share of the measurements lie.
func (t times) at(share float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	slices.Sort(t)
	return t[min(len(t)-1, int(share*float64(len(t))))]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.3f", float64(d)/1e6) }

func handOvers(ctx context.Context, o Options, dir string) error {
	before := fmt.Sprintf("after %v of quiet", o.Pause)
	if o.Pause < 0 {
		before = "one right after the other"
	}
	fmt.Fprintf(o.Out, "Hand-over, release sent to grant received, ms (%d rounds each, in turn with the floor, %s)\n", o.Rounds, before)
	fmt.Fprintf(o.Out, "%8s  %10s %10s  %10s %10s  %12s\n", "waiters", "p50", "p99", "floor p50", "floor p99", "p50 / floor")
	var errs []error
	for _, n := range o.Waiters {
		lock, floor, counted, err := handOver(ctx, dir, n, o)
		if err != nil {
			return err
		}
		times := float64(lock.at(.5)) / float64(floor.at(.5))
		fmt.Fprintf(o.Out, "%8d  %10s %10s  %10s %10s  %12.2f\n", n, ms(lock.at(.5)), ms(lock.at(.99)),
			ms(floor.at(.5)), ms(floor.at(.99)), times)
		if o.Counted {
			fmt.Fprintf(o.Out, "%8s  %10s %10s  %.2f times as long as without, at the half\n", "counted", ms(counted.at(.5)), ms(counted.at(.99)),
				float64(counted.at(.5))/float64(lock.at(.5)))
		}
		if o.AtMost > 0 && times > o.AtMost {
			errs = append(errs, fmt.Errorf("with %d waiting it takes %.2f times the floor, not %g at most", n, times, o.AtMost))
		}
	}
	return errors.Join(errs...)
}

// relay is a queue of connections that hand something on to one another.
type relay interface {
	// handOver hands on to the first in the queue, lets the one before queue up again, and returns how long it took until the
	// first one knew.
	handOver(ctx context.Context) (time.Duration, error)
}

func handOver(ctx context.Context, dir string, waiters int, o Options) (lock, floor, counted times, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := &ending{}
	defer ends.all()
	heard := &atomic.Int64{}
	type side struct {
		relay
		into *times
	}
	a, err := newLockRelay(ctx, ends, dir, waiters, heard, false)
	if err != nil {
		return nil, nil, nil, err
	}
	b, err := newFloorRelay(ctx, ends, dir, waiters, heard)
	if err != nil {
		return nil, nil, nil, err
	}
	locks, sides := []relay{a}, []side{{a, &lock}, {b, &floor}}
	if o.Counted {
		c, err := newLockRelay(ctx, ends, dir, waiters, heard, true)
		if err != nil {
			return nil, nil, nil, err
		}
		locks, sides = append(locks, c), append(sides, side{c, &counted})
	}
	// The first commits let the log of the data file grow; later ones write in place.
	for _, l := range locks {
		for range min(150, o.Rounds) {
			if _, err := l.handOver(ctx); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	for len(lock) < o.Rounds {
		for _, side := range sides {
			for range min(block, o.Rounds) {
				if err := settle(ctx, heard, o.Pause); err != nil {
					return nil, nil, nil, err
				}
				took, err := side.handOver(ctx)
				if err != nil {
					return nil, nil, nil, err
				}
				*side.into = append(*side.into, took)
			}
		}
	}
	return lock, floor, counted, nil
}

// block is how many rounds of one side come in a row: few, so that both see the same machine, and more than one, so that
// neither is timed in the wake of the other.
const block = 20

// settle waits until what follows a hand-over is over, the news for those who go on waiting: until no frame has
// arrived for a while. Otherwise the next hand-over would be timed while the machine is still busy with this one.
func settle(ctx context.Context, heard *atomic.Int64, pause time.Duration) error {
	last := heard.Load()
	for pause > 0 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		now := heard.Load()
		if now == last {
			return nil
		}
		last = now
	}
	return nil
}

// ending is what is to be undone, the last first.
type ending struct{ todo []func() }

func (e *ending) later(f func()) { e.todo = append(e.todo, f) }

func (e *ending) all() {
	for _, f := range slices.Backward(e.todo) {
		f()
	}
	e.todo = nil
}
