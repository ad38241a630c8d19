package sim

import (
	"fmt"
	"time"
)

// calm begins a time without faults. From here on everything has to come right by itself.
func (j *judge) calm() {
	for _, d := range j.docs {
		d.waitFrom = time.Time{}
	}
	j.behind = map[string]time.Time{}
}

// look is called every second of a calm time: nobody who is there may wait longer than is promised for somebody who is not.
func (j *judge) look(time.Duration) {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	now := time.Now()
	j.news(now)
	for name, d := range j.docs {
		if !j.someWaits(name, d) || j.holderThere(name, d) {
			d.waitFrom = time.Time{}
			continue
		}
		if d.waitFrom.IsZero() {
			d.waitFrom = now
		}
		if h := holdOf(d.state); h != nil && h.Confirmed { // it may have been there between two looks
			if heard := j.known(h.Session).heard; heard.After(d.waitFrom) {
				d.waitFrom = heard
			}
			// One that came from another node is given the time for which that node may have acknowledged something yet.
			if own := j.known(h.Session).moved.Add(11 * time.Second); own.After(d.waitFrom) && j.w.style.shared {
				d.waitFrom = own
			}
		}
		// For each holder: a new grant begins the count anew. The commits in it, and on a shared store the reads, take as long as the disk does.
		most := j.w.style.ttl + 5*time.Second + 5*j.w.style.disk
		if stuck := now.Sub(d.waitFrom); stuck > most {
			j.violate("L1", "%s has been held by nobody who is there for %v while somebody waits: %+v", name, stuck, d.state)
			d.waitFrom = time.Time{}
		}
	}
}

// someWaits reports whether somebody who is there has been waiting for some time.
func (j *judge) someWaits(name string, d *doc) bool {
	for _, p := range j.w.pages {
		if n, _ := d.state.Place(p.session, ""); n > 0 && p.want == name && p.fence == 0 && p.loading == 0 && !p.hidden && !p.asking && j.present(p.session, name) && time.Since(p.openSince) > 5*time.Second {
			return true
		}
	}
	return false
}

// holderThere reports whether the one who holds has a page that knows it, or is about to.
func (j *judge) holderThere(name string, d *doc) bool {
	h := holdOf(d.state)
	if h == nil {
		return false
	}
	for _, p := range j.w.pages {
		if p.session == h.Session && p.want == name && (p.fence == h.Fence || p.loading == h.Fence) && p.l != nil && !p.asleep {
			return true
		}
	}
	return false
}

// news checks that whoever asked for a resource over the connection that it has is told what has become of it since.
func (j *judge) news(now time.Time) {
	behind := map[string]time.Time{}
	for _, p := range j.w.pages {
		for name, rev := range p.revs {
			d := j.doc(name)
			is, known := d.versions[d.rev]
			saw, told := d.versions[rev]
			if !known || !told || is == saw || !p.looksOn[name] || !j.listens(p) {
				continue
			}
			key := fmt.Sprint(p.name, " ", p.session, " ", p.epoch, " ", name, " ", rev)
			if behind[key] = now; !j.behind[key].IsZero() {
				behind[key] = j.behind[key]
			}
			if since := now.Sub(behind[key]); since > 10*time.Second {
				j.violate("news", "%s was told %+v of %s, which has been %+v for %v", p.name, saw, name, is, since)
				behind[key] = now
			}
		}
	}
	j.behind = behind
}
