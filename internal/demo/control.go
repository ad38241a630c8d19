package demo

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httputil"
	"slices"
	"time"

	webdemo "github.com/editlock/editlock/web/demo"
)

// handler serves the demo's own pages and buttons; the rest is the editlock server's, with its articles.
func (s *supervisor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "+
			"frame-src http://"+hostname(r.Host)+":*; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		w.Header().Set("Cache-Control", "no-store")
		http.ServeFileFS(w, r, webdemo.Files, "index.html")
	})
	mux.Handle("GET /demo/", assets())
	mux.HandleFunc("GET /demo/events", s.events)
	// These change something: a page from elsewhere must not be able to send them, so they are taken from the same origin only.
	same := http.NewCrossOriginProtection()
	mux.Handle("POST /demo/control", same.Handler(http.HandlerFunc(s.control)))
	mux.Handle("POST /demo/tab", same.Handler(http.HandlerFunc(s.tab)))
	mux.Handle("/", &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", s.servers[editlockSide].address()
			p.Out.Host = p.In.Host // the server compares it with Origin
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "The server is down, and is being started again. Try again in a second.", http.StatusBadGateway)
		},
	})
	return mux
}

// elsewhere is said to a window that does not play.
const elsewhere = "The demo is open in another window."

// control does what a button says to both sides; the page does the rest in its frames.
func (s *supervisor) control(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Action string            `json:"action"`
		Window string            `json:"window"` // that says so; empty: none
		Polite bool              `json:"polite"` // play: only if no other does
		Who    map[string]string `json:"who"`    // by side: whose page it befalls; of nobody where none is open
		Side   string            `json:"side"`   // restore: empty means both
		Person string            `json:"person"` // restore: empty means both
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&in); err != nil {
		http.Error(w, `The body must be {"action": …}: `+err.Error(), http.StatusBadRequest)
		return
	}
	if in.Action == "play" && !s.referee.play(in.Window, in.Polite) {
		http.Error(w, "That window is not open.", http.StatusConflict)
		return
	}
	if in.Window != "" && !s.referee.plays(in.Window) {
		http.Error(w, elsewhere, http.StatusConflict)
		return
	}
	var err error
	switch in.Action {
	case "play":
	case faultKill:
		s.referee.happened(in.Action, in.Who, time.Now())
		for _, p := range s.servers {
			err = errors.Join(err, p.kill())
		}
	case faultCut:
		s.referee.happened(in.Action, in.Who, time.Now())
		for side, person := range in.Who {
			if l := s.links[side][person]; l != nil {
				l.cut()
			}
		}
	case faultClose, faultReload, faultDuplicate, faultMalformed, faultStale:
		s.referee.happened(in.Action, in.Who, time.Now())
	case "restore":
		for side, links := range s.links {
			for person, l := range links {
				if (in.Side == "" || in.Side == side) && (in.Person == "" || in.Person == person) {
					l.restore()
				}
			}
		}
	case "clear": // what a person with access to the database does when a lock of the usual kind is stuck
		err = s.clear(r.Context())
	case "begin": // anew, once the pages of a window that played before have gone
		s.referee.alone(r.Context())
		if in.Window != "" && !s.referee.plays(in.Window) {
			http.Error(w, elsewhere, http.StatusConflict)
			return
		}
		err = s.clear(r.Context())
		for _, source := range s.referee.sources {
			err = errors.Join(err, source.forget(r.Context()))
		}
		s.referee.forget()
	default:
		http.Error(w, "There is no such action.", http.StatusBadRequest)
		return
	}
	s.referee.poke()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *supervisor) clear(ctx context.Context) error {
	return s.referee.sources[usualSide].exec(ctx, `UPDATE articles SET locked_by = NULL; DELETE FROM awaiting_users`)
}

// tab takes what a pane's page believes.
func (s *supervisor) tab(w http.ResponseWriter, r *http.Request) {
	var t tab
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&t)
	if err != nil || t.ID == "" || s.links[t.Side][t.Person] == nil {
		http.Error(w, `The body must be {"window", "tab", "side", "person", "phase"}.`, http.StatusBadRequest)
		return
	}
	s.referee.believes(t)
	w.WriteHeader(http.StatusNoContent)
}

// events streams the state of both sides to a window, as server-sent events.
func (s *supervisor) events(w http.ResponseWriter, r *http.Request) {
	box, leave := s.referee.join(r.URL.Query().Get("window"))
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	alive := time.NewTicker(15 * time.Second)
	defer alive.Stop()
	for {
		frame := []byte(": still here\n\n")
		select {
		case <-r.Context().Done():
			return
		case <-alive.C:
		case data := <-box:
			frame = slices.Concat([]byte("data: "), data, []byte("\n\n"))
		}
		if _, err := w.Write(frame); err != nil {
			return
		}
		if out.Flush() != nil {
			return
		}
	}
}
