package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/metrics"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/tracing"
	"github.com/editlock/editlock/wire"
)

// operating is what operators see of a server, on a listener of its own that pages never reach.
type operating struct {
	AdminListen   string `help:"Where operators get metrics, profiles and health: host:port of this machine, as 127.0.0.1:8421. Without it, nowhere." env:"EDITLOCK_ADMIN_LISTEN" placeholder:"ADDRESS"`
	AdminAnywhere bool   `help:"Let --admin-listen be an address that other machines reach. Nobody is asked who they are there: keep strangers away by a firewall." env:"EDITLOCK_ADMIN_ANYWHERE"`
}

// admin is that listener, and what is counted for it.
type admin struct {
	listener net.Listener
	anywhere bool
	registry *prometheus.Registry
	metrics  *metrics.Metrics
	server   *http.Server
	done     chan struct{}
}

// check says what makes no sense.
func (o operating) check() error {
	if o.AdminListen == "" {
		if o.AdminAnywhere {
			return misused("--admin-anywhere says from where --admin-listen may be reached: give that, too")
		}
		return nil
	}
	_, port, err := net.SplitHostPort(o.AdminListen)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return misused("--admin-listen is %q: write an address with a port, as 127.0.0.1:8421", o.AdminListen)
	}
	return nil
}

// open listens, before anything is written. It gives nil if nothing was asked for.
func (o operating) open() (*admin, error) {
	if o.AdminListen == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", o.AdminListen)
	if err != nil {
		return nil, fmt.Errorf("--admin-listen %s: %w; choose another address", o.AdminListen, err)
	}
	// What it is bound to counts, not what was written: a name may stand for anything.
	if at, err := netip.ParseAddrPort(l.Addr().String()); !o.AdminAnywhere && (err != nil || !at.Addr().Unmap().IsLoopback()) {
		_ = l.Close()
		return nil, misused("--admin-listen %s can be reached from other machines, and shows everything to whoever asks: write 127.0.0.1 and a port, or add --admin-anywhere if a firewall is before it", o.AdminListen)
	}
	a := &admin{listener: l, anywhere: o.AdminAnywhere, registry: prometheus.NewRegistry(), done: make(chan struct{})}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if a.metrics, err = metrics.New(a.registry); err != nil {
		_ = l.Close()
		return nil, err
	}
	return a, nil
}

// start serves until stop. health answers /healthz and /readyz.
func (a *admin) start(health http.Handler, log *slog.Logger) {
	a.server = &http.Server{
		Handler: a.handler(health),
		// A profile is taken for as long as is asked for; nothing else takes long.
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 3 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("listening for operators", "admin", a.listener.Addr().String())
	go func() {
		defer close(a.done)
		if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the listener for operators has ended; pages are served as before", "error", err)
		}
	}()
}

// stop ends what is under way and waits for it. A second call, or one without start, does nothing more than close the listener.
func (a *admin) stop() {
	if a.server == nil {
		_ = a.listener.Close()
		return
	}
	end, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if a.server.Shutdown(end) != nil {
		_ = a.server.Close() // a profile is being taken
	}
	<-a.done
}

func (a *admin) handler(health http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	mux.Handle("GET /healthz", health)
	mux.Handle("GET /readyz", health)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if why := a.refuses(r); why != "" {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// refuses says why a request is not answered. A page of any site can make the browser of whoever sits at this machine ask its
// loopback, by a link to it or by a name that is made to lead here.
func (a *admin) refuses(r *http.Request) string {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return "Pages of other sites get nothing here."
	}
	if a.anywhere {
		return ""
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); host == "localhost" || err == nil && ip.Unmap().IsLoopback() {
		return ""
	}
	return "Ask for 127.0.0.1 or localhost, by that name."
}

// observers are what the parts of a server are given so that it can be watched; nothing of it where nobody watches.
type observers struct {
	store   store.Store
	manager *editlock.Observer
	server  *server.Observer
}

// observe lets operators count and traces follow what happens; either may be nil.
func observe(st store.Store, operators *admin, traces *tracing.Tracing) observers {
	o := observers{store: st}
	if operators != nil {
		o.store = operators.metrics.Store(o.store)
		o.manager = operators.metrics.Observer()
		o.server = &server.Observer{Request: operators.metrics.Request}
	}
	if traces == nil {
		return o
	}
	o.store = traces.Store(o.store)
	if o.manager == nil {
		o.manager = &editlock.Observer{}
	}
	o.manager.Writing = traces.Writing
	if o.server == nil {
		o.server = &server.Observer{Request: traces.Request}
		return o
	}
	count := o.server.Request
	o.server.Request = func(ctx context.Context, r server.Request) (context.Context, func(wire.Code)) {
		ctx, counted := count(ctx, r)
		ctx, traced := traces.Request(ctx, r)
		return ctx, func(code wire.Code) { traced(code); counted(code) }
	}
	return o
}
