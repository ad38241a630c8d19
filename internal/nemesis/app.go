//go:build linux

package nemesis

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/editlock/editlock/internal/history"
)

// app is the application whose records are edited: it keeps its content elsewhere than the locks, and so a load raises the
// fence, and a save with a lower one is refused.
type app struct {
	say  func(history.Line)
	mu   sync.Mutex
	rows map[string]*row
}

type row struct{ fence, version int64 }

// visit is what a page asks of the application.
type visit struct {
	Save     bool
	Client   string
	Session  string
	Resource string
	Fence    int64
	Base     int64 // of a save: the version that was edited
	Rogue    bool  // the page does not care whether it still holds
}

type answer struct {
	Refused bool
	Version int64
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var v visit
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(a.serve(v))
}

func (a *app) serve(v visit) answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.rows[v.Resource]
	if r == nil {
		r = &row{}
		a.rows[v.Resource] = r
	}
	l := history.Line{Kind: history.App, Name: "load", Code: "ok", Client: v.Client, Session: v.Session, Resource: v.Resource, Fence: v.Fence, Base: v.Base, Rogue: v.Rogue}
	if v.Save {
		l.Name = "save"
	}
	ok := r.fence <= v.Fence
	switch {
	case !ok:
		l.Code = "refused"
	case v.Save:
		r.fence = v.Fence
		r.version++
	default:
		r.fence = v.Fence
	}
	l.New = r.version
	a.say(l)
	return answer{!ok, r.version}
}
