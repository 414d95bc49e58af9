// Renders templates of messages as Grafana does: text/template with an alert's type and the functions of both.
//
// Standard input is {"templates": "…", "text": "…", "alerts": [{labels, annotations, startsAt, endsAt, status}]}.
// Source: prometheus/alertmanager's template package (KV, DefaultFuncs), grafana/alerting's templates (ExtendedAlert).
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"text/template"
	"time"
)

type Pair struct{ Name, Value string }

type Pairs []Pair

type KV map[string]string

func (kv KV) SortedPairs() Pairs {
	pairs := Pairs{}
	for name, value := range kv {
		pairs = append(pairs, Pair{name, value})
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i].Name < pairs[j].Name })
	return pairs
}

func (kv KV) Remove(names []string) KV {
	kept := KV{}
	for name, value := range kv {
		kept[name] = value
	}
	for _, name := range names {
		delete(kept, name)
	}
	return kept
}

func (kv KV) Values() []string {
	values := []string{}
	for _, pair := range kv.SortedPairs() {
		values = append(values, pair.Value)
	}
	return values
}

type Alert struct {
	Status      string
	Labels      KV
	Annotations KV
	StartsAt    time.Time
	EndsAt      time.Time
}

type Alerts []Alert

func (alerts Alerts) of(status string) Alerts {
	found := Alerts{}
	for _, alert := range alerts {
		if alert.Status == status {
			found = append(found, alert)
		}
	}
	return found
}

func (alerts Alerts) Firing() Alerts { return alerts.of("firing") }

func (alerts Alerts) Resolved() Alerts { return alerts.of("resolved") }

type Data struct {
	Alerts       Alerts
	CommonLabels KV
}

func common(alerts Alerts) KV {
	shared := alerts[0].Labels.Remove(nil)
	for _, alert := range alerts {
		for name, value := range shared {
			if alert.Labels[name] != value {
				delete(shared, name)
			}
		}
	}
	return shared
}

func functions() template.FuncMap {
	return template.FuncMap{
		"toUpper":     strings.ToUpper,
		"join":        func(separator string, words []string) string { return strings.Join(words, separator) },
		"match":       regexp.MatchString,
		"stringSlice": func(words ...string) []string { return words },
		"reReplaceAll": func(pattern, by, text string) string {
			return regexp.MustCompile(pattern).ReplaceAllString(text, by)
		},
		"date": func(format string, when time.Time) string { return when.Format(format) },
		"tz": func(name string, when time.Time) (time.Time, error) {
			place, err := time.LoadLocation(name)
			return when.In(place), err
		},
	}
}

// Those that a file of templates does not have when Grafana checks it.
func functionsOfSettings(root *template.Template) template.FuncMap {
	return template.FuncMap{
		"tmpl": func() any { return &tmpl{root} },
		"data": func() any { return data{} },
		"coll": func() any { return coll{} },
	}
}

type tmpl struct{ root *template.Template }

func (one *tmpl) Exec(name string, context any) (string, error) {
	var out strings.Builder
	found := one.root.Lookup(name)
	if found == nil {
		return "", fmt.Errorf("template %q not defined", name)
	}
	err := found.Execute(&out, context)
	return out.String(), err
}

func (one *tmpl) Inline(text string, context any) (string, error) {
	var out strings.Builder
	made, err := one.root.New("<inline>").Parse(text)
	if err != nil {
		return "", err
	}
	err = made.Execute(&out, context)
	return out.String(), err
}

type data struct{}

func (data) ToJSON(value any) (string, error) {
	text, err := json.Marshal(value)
	return string(text), err
}

type coll struct{}

func (coll) Dict(pairs ...any) map[string]any {
	made := map[string]any{}
	for index := 0; index < len(pairs); index += 2 {
		made[pairs[index].(string)] = pairs[index+1]
	}
	return made
}

type request struct {
	Templates string
	Texts     []string
	Alerts    Alerts
}

func render(asked request) ([]string, error) {
	root := template.New("root").Option("missingkey=zero")
	root.Funcs(functions())
	if _, err := root.New("file").Parse(asked.Templates); err != nil {
		return nil, err
	}
	root.Funcs(functionsOfSettings(root))
	told := []string{}
	for _, text := range asked.Texts {
		var out strings.Builder
		made, err := root.New("").Parse(text)
		if err != nil {
			return nil, err
		}
		if err := made.Execute(&out, Data{asked.Alerts, common(asked.Alerts)}); err != nil {
			return nil, err
		}
		told = append(told, out.String())
	}
	return told, nil
}

func main() {
	var asked []request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	answers := [][]string{}
	for _, one := range asked {
		told, err := render(one)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answers = append(answers, told)
	}
	_ = json.NewEncoder(os.Stdout).Encode(answers)
}
