package main

import (
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"
)

// logging is how a long-running command says what it does, on standard error.
type logging struct {
	LogLevel  slog.Level `help:"What to log: debug, info, warn or error." default:"info" env:"EDITLOCK_LOG_LEVEL"`
	LogFormat string     `help:"text, json, or auto: text on a terminal, JSON otherwise." enum:"auto,text,json" default:"auto" env:"EDITLOCK_LOG_FORMAT"`
}

func (l logging) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: l.LogLevel, ReplaceAttr: withUnit}
	if l.LogFormat == "text" || l.LogFormat == "auto" && isatty.IsTerminal(os.Stderr.Fd()) {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}

// withUnit writes a duration as text such as "20s", which in JSON would be a bare number of nanoseconds.
func withUnit(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
