package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store"
	"github.com/editlock/editlock/store/sqlite"
	"github.com/editlock/editlock/web"
	"github.com/editlock/editlock/wire"
)

type serveCmd struct {
	Config         configFile     `help:"YAML file with settings: these names, with _ for -. Flags and the environment come before it." env:"EDITLOCK_CONFIG" placeholder:"FILE"`
	Listen         string         `help:"Where to listen: host:port." default:"127.0.0.1:8420" env:"EDITLOCK_LISTEN"`
	BasePath       string         `help:"Path below which everything is served, save /healthz and /readyz." default:"/editlock" env:"EDITLOCK_BASE_PATH"`
	Store          string         `help:"Where the records are: sqlite:PATH." default:"sqlite:editlock.db" env:"EDITLOCK_STORE"`
	KeyFile        []string       `help:"File with the key that access tokens are checked with: a secret, or a public key as PEM. Without it, EDITLOCK_KEY holds the key itself. May be repeated: then tokens name the key by kid, which is the file's name without its ending." env:"EDITLOCK_KEY_FILE" placeholder:"FILE"`
	JWKSURL        string         `name:"jwks-url" help:"Where the application publishes the keys that access tokens are checked with, as a JWKS document: https://app.example.com/jwks.json. With it, --key-file may be left out." env:"EDITLOCK_JWKS_URL" placeholder:"URL"`
	SigningKeyFile string         `help:"File with the key that lock and resume tokens are signed with: a secret, or a private key as PEM. Without it, EDITLOCK_SIGNING_KEY holds the key itself." env:"EDITLOCK_SIGNING_KEY_FILE" placeholder:"FILE"`
	Origin         []string       `help:"Origin whose pages may connect, as https://app.example.com, beside those of the same host. May be repeated." env:"EDITLOCK_ORIGIN"`
	TrustedProxy   []netip.Prefix `help:"Network of proxies whose X-Forwarded-For is believed. May be repeated." default:"127.0.0.0/8,::1/128" env:"EDITLOCK_TRUSTED_PROXY"`
	TTL            time.Duration  `help:"How long a session that fell silent keeps what it holds: 10s to 300s." default:"30s" env:"EDITLOCK_TTL"`
	Drain          time.Duration  `help:"How long pages have to move away at the end." default:"20s" env:"EDITLOCK_DRAIN"`
	limits
	issuing
	operating
	tracingFlags
	logging
}

// configFile is a flag that reads the other settings from a file. An empty one reads nothing.
type configFile string

// BeforeResolve is called by kong once it knows the name of the file.
func (configFile) BeforeResolve(k *kong.Kong, ctx *kong.Context, trace *kong.Path) error {
	path, _ := ctx.FlagValue(trace.Flag).(configFile)
	if path == "" {
		return nil
	}
	s, err := readSettings(string(path))
	if err != nil {
		return err
	}
	ctx.AddResolver(s)
	return nil
}

func (serveCmd) Help() string {
	return "Needs two keys, from files or from the environment. " + howToMake + ".\n\nExit codes: 0 stopped in order, 1 failed, 2 a setting or a key that makes no sense, before anything is made."
}

// Run serves until ctx is done, and then until the pages have moved away.
func (c *serveCmd) Run(ctx context.Context) (err error) {
	log := c.logger()
	slog.SetDefault(log)
	if err := c.check(); err != nil {
		return err
	}
	access, signing, err := c.keys(log)
	if err != nil {
		return err
	}
	// Before anything is written: a start that cannot listen leaves nothing behind.
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w; choose another address", c.Listen, err)
	}
	defer func() { _ = listener.Close() }()
	published, err := c.published(ctx, log)
	if err != nil {
		return err
	}
	if published != nil {
		defer published.Close()
	}
	operators, err := c.operating.open()
	if err != nil {
		return err
	}
	if operators != nil {
		defer operators.stop() // last, so that they see the end
	}
	traces, stopTraces, err := c.tracingFlags.open(ctx, log)
	if err != nil {
		return err
	}
	defer stopTraces()
	st, err := sqlite.Open(c.dataFile(), sqlite.Options{Log: log})
	if err != nil {
		return fmt.Errorf("--store %s: %w", c.Store, err)
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	watched := observe(st, operators, traces)
	records, cfg := watched.store, editlock.Config{
		TTL: c.TTL, MaxSessions: c.MaxSessionsPerUser, Retention: time.Duration(c.Retention), Logger: log, Observer: watched.manager,
	}
	m, err := begin(ctx, records, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	all, pages := places(openFiles(), c.limits, log)
	waits := min(c.MaxWaits, max(1, (all-pages)/2)) // they leave room for those who do not wait
	door := newDoor(listener, all)
	defer func() { _ = door.Close() }()
	locks, err := server.New(m, server.Options{
		Access:  server.Access{Keys: access, JWKS: published, Issuer: c.Issuer, Audience: c.Audience},
		LockKey: signing, Origins: c.Origin, TrustedProxies: c.TrustedProxy, DrainTime: c.Drain,
		MaxPerAddress: c.MaxPerAddress, MaxConnections: pages, MaxPerUser: c.MaxPerUser,
		MaxPrograms: c.MaxPrograms, MaxWaits: waits, RequestRate: c.RequestRate,
		Logger: log, Observer: watched.server,
	})
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = errors.Join(err, locks.Close(end))
	}()
	if operators != nil {
		operators.metrics.Manager(m)
		operators.metrics.Server(locks)
		operators.start(locks, log)
	}
	return c.serve(ctx, door, locks, log)
}

// keys reads the keys from where they are.
func (c *serveCmd) keys(log *slog.Logger) (access wire.Keys, signing *wire.Key, err error) {
	for _, from := range accessKeys(c.KeyFile, c.JWKSURL != "") {
		key, err := from.read()
		if err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(access, func(k *wire.Key) bool { return k.ID() == key.ID() }) {
			return nil, nil, misused("--key-file: two files give the key the name %q, by which tokens choose it: give one another name", key.ID())
		}
		from.warnIfOpen(key, log)
		access = append(access, key)
	}
	signingFrom := signingKey(c.SigningKeyFile)
	if signing, err = signingFrom.read(); err != nil {
		return nil, nil, err
	}
	if !signing.CanSign() {
		return nil, nil, misused("--signing-key-file is the public half of a key: give the private one, which signs. %s", howToMake)
	}
	signingFrom.warnIfOpen(signing, log)
	if slices.ContainsFunc(access, func(k *wire.Key) bool { return wire.SameSecret(k, signing) }) {
		return nil, nil, misused("the access key and the signing key are the same: whoever checks lock tokens could then make access tokens. %s", howToMake)
	}
	return access, signing, nil
}

// published are the keys that the application publishes, or nil if it does not.
func (c *serveCmd) published(ctx context.Context, log *slog.Logger) (*server.JWKS, error) {
	if c.JWKSURL == "" {
		return nil, nil
	}
	j, err := server.OpenJWKS(ctx, c.JWKSURL, nil, log)
	if err != nil {
		return nil, fmt.Errorf("--jwks-url: %s", strings.TrimPrefix(err.Error(), "server: "))
	}
	return j, nil
}

// serve answers HTTP until ctx is done, then drains.
func (c *serveCmd) serve(ctx context.Context, door *door, locks *server.Server, log *slog.Logger) error {
	httpServer := &http.Server{
		Handler:   c.routes(locks),
		ConnState: door.state,
		// A page's socket is taken over after the handshake, so these bound what is small and quick.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       60 * time.Second, // a proxy may keep one for as long; sooner where the door is crowded
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("listening", "addr", door.Addr().String(), "base", c.BasePath, "store", c.Store)
	failed := make(chan error, 1)
	go func() { failed <- httpServer.Serve(door) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("draining", "within", c.Drain)
	locks.Drain(context.Background())
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := httpServer.Shutdown(end); err != nil {
		_ = httpServer.Close() // a request that is still there took too long
	}
	return nil
}

// routes puts the protocol and the browser's scripts below the base path, and what a load balancer asks at the root as well.
func (c *serveCmd) routes(locks http.Handler) http.Handler {
	base := path.Clean("/" + c.BasePath)
	prefix := strings.TrimSuffix(base, "/")
	mux := http.NewServeMux()
	below := http.StripPrefix(prefix, locks)
	mux.Handle("GET "+prefix+"/{script}", web.Handler())
	for _, health := range []string{"/healthz", "/readyz"} {
		mux.Handle("GET "+health, locks)
		if prefix != "" {
			mux.Handle("GET "+prefix+health, below)
		}
	}
	// The mux would redirect a name that is no clean path, and so to another resource.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix+"/v1/") {
			below.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// startPatience is how long a start waits for its store.
const startPatience = 30 * time.Second

// begin opens a Manager. A disk that hangs or is full just now does not end the start: nobody was promised anything yet, and
// a supervisor that starts the program again and again helps less.
func begin(ctx context.Context, records store.Store, cfg editlock.Config) (*editlock.Manager, error) {
	for began := time.Now(); ; {
		m, err := editlock.Open(ctx, records, cfg)
		passing := errors.Is(err, editlock.ErrUnavailable) || errors.Is(err, editlock.ErrUnknownOutcome)
		if !passing || time.Since(began) > startPatience || errors.Is(err, store.ErrBroken) || errors.Is(err, store.ErrClosed) {
			return m, err
		}
		cfg.Logger.Warn("the store does not answer yet; trying again", "error", err, "until", began.Add(startPatience).Format(time.TimeOnly))
		again := time.NewTimer(time.Second)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil, err
		}
	}
}
