package lease

import "time"

// witness is what one process saw of a record, kept apart from the rules so that it can judge them: when
// it first saw each grant and each lapse.
type witness struct {
	grants map[int64]time.Time
	lapses map[[2]int64]time.Time // by fence and revision
}

func newWitness() witness { return witness{map[int64]time.Time{}, map[[2]int64]time.Time{}} }

func (w witness) saw(s State, now time.Time) {
	for _, h := range s.Holds {
		if _, ok := w.grants[h.Fence]; !ok {
			w.grants[h.Fence] = now
		}
		if _, ok := w.lapses[[2]int64{h.Fence, h.LapseRev}]; h.Lapsed && !ok {
			w.lapses[[2]int64{h.Fence, h.LapseRev}] = now
		}
	}
}

// afresh notes an outage that ended at at.
func (w witness) afresh(at time.Time) {
	for k, t := range w.grants {
		w.grants[k] = latest(t, at)
	}
	for k, t := range w.lapses {
		w.lapses[k] = latest(t, at)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
