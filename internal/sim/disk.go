package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/mem"
)

// disk is the store of the world. What it has got it keeps, whatever happens to the nodes.
type disk struct {
	w   *world
	mem *mem.Store

	// Guarded by w.mu.
	owner   *process        // that has it for itself
	away    bool            // does not answer, or says that it cannot
	slow    time.Duration   // more for every call
	flaky   float64         // share of calls that do not find it
	unknown float64         // share of writes of which it does not say what became
	late    [][]store.Group // what is still to be written of these, where one process has it for itself
}

func newDisk(w *world) *disk { return &disk{w: w, mem: mem.New()} }

// apply is the moment at which something is written: whole groups, one after the other, and the judge looks at each.
func (d *disk) apply(batch []store.Group) []store.Result {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	if !d.w.style.shared { // one writes, one thing after the other: what may still be written is before this, or never
		d.applyLate()
	}
	return d.write(batch)
}

// later lets a batch be written after some time, though nobody was told.
func (d *disk) later(batch []store.Group, after time.Duration) {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	if d.w.style.shared {
		time.AfterFunc(after, func() { d.apply(batch) })
		return
	}
	d.late = append(d.late, batch)
	time.AfterFunc(after, func() {
		d.w.mu.Lock()
		defer d.w.mu.Unlock()
		d.applyLate()
	})
}

func (d *disk) applyLate() {
	late := d.late
	d.late = nil
	for _, batch := range late {
		d.write(batch)
	}
}

func (d *disk) write(batch []store.Group) []store.Result {
	results := make([]store.Result, len(batch))
	for i, g := range batch {
		before := make([]store.Record, len(g))
		for j, op := range g {
			before[j], _ = d.mem.Get(context.Background(), op.Key)
		}
		one, err := d.mem.Apply(context.Background(), []store.Group{g})
		if err != nil {
			results[i].Err = err
			continue
		}
		results[i] = one[0]
		if one[0].Err == nil {
			d.w.judge.committed(g, before, one[0].Rev)
		}
	}
	return results
}

// driver is how one process reaches the disk.
type driver struct {
	d *disk
	p *process
}

var _ store.Store = (*driver)(nil)

// arrive is the way of a call to the disk: it takes its time, and may not come through.
func (v *driver) arrive(ctx context.Context) error {
	w := v.d.w
	w.mu.Lock()
	took := min(w.about(w.style.disk), store.Timeout/2) + w.about(v.d.slow) // only a fault makes it fail
	away := v.d.away || v.p.cut
	if away {
		took = w.between(0, store.Timeout)
	}
	away = away || w.chance(v.d.flaky)
	w.mu.Unlock()
	took = min(took, store.Timeout)
	if took > 0 {
		t := w.timer(took)
		defer w.give(t)
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-v.p.dead:
			return store.ErrClosed
		}
	}
	if !v.p.running() {
		return store.ErrClosed
	}
	if away || took >= store.Timeout {
		return fmt.Errorf("%w: the simulated disk is away", store.ErrUnavailable)
	}
	return nil
}

func (v *driver) Apply(ctx context.Context, batch []store.Group) ([]store.Result, error) {
	if err := store.Check(batch); err != nil {
		return nil, err
	}
	if err := v.arrive(ctx); err != nil {
		return nil, err
	}
	w := v.d.w
	w.mu.Lock()
	unknown := w.chance(v.d.unknown)
	how, late, rest := w.pick(4), w.about(3*time.Second), w.pick(len(batch)+1)
	if unknown {
		w.count.Unknown++
		w.sayLocked(v.p.name(), "a write of unknown outcome, kind %d", how)
	}
	w.mu.Unlock()
	if unknown {
		switch how {
		case 0: // nothing of it
		case 1: // all of it
			v.d.apply(batch)
		case 2: // some of it
			v.d.apply(batch[:rest])
		case 3: // later
			v.d.later(batch, late)
		}
		return nil, fmt.Errorf("%w: the simulated disk did not say", store.ErrUnknown)
	}
	results := v.d.apply(batch)
	if !v.p.running() { // a stopped process hears of it when it goes on, a dead one never
		return nil, store.ErrUnknown
	}
	return results, nil
}

func (v *driver) Get(ctx context.Context, key string) (store.Record, error) {
	if err := v.arrive(ctx); err != nil {
		return store.Record{}, err
	}
	defer v.p.running()
	return v.d.mem.Get(ctx, key)
}

func (v *driver) List(ctx context.Context, prefix, after string, limit int) ([]store.Record, error) {
	if err := v.arrive(ctx); err != nil {
		return nil, err
	}
	defer v.p.running()
	return v.d.mem.List(ctx, prefix, after, limit)
}

func (v *driver) Due(ctx context.Context, t time.Time, limit int) ([]store.Record, error) {
	if err := v.arrive(ctx); err != nil {
		return nil, err
	}
	defer v.p.running()
	return v.d.mem.Due(ctx, t, limit)
}

// Alone reports whether this is SQLite's file, which a process has for itself.
func (v *driver) Alone() bool { return !v.d.w.style.shared }

func (v *driver) Changes(ctx context.Context, after int64, limit int, prefixes ...string) ([]store.Record, int64, error) {
	if err := v.arrive(ctx); err != nil {
		return nil, 0, err
	}
	defer v.p.running()
	return v.d.mem.Changes(ctx, after, limit, prefixes...)
}

func (v *driver) Watch(ctx context.Context, hint func(string)) error { return v.d.mem.Watch(ctx, hint) }

func (v *driver) Raise(ctx context.Context, rev int64) error {
	if err := v.arrive(ctx); err != nil {
		return err
	}
	return v.d.mem.Raise(ctx, rev)
}

func (v *driver) Now(ctx context.Context) (time.Time, error) {
	if err := v.arrive(ctx); err != nil {
		return time.Time{}, err
	}
	v.d.w.mu.Lock()
	defer v.d.w.mu.Unlock()
	return time.Now().Add(v.p.skew), nil
}

func (v *driver) Close() error { return nil }
