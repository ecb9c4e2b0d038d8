// Reads one resource of the Prometheus operator from standard input as strictly as the operator's own types are: an
// unknown member, or one of another type, is an error.
package main

import (
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := read(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var named struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal(text, &named); err != nil {
		return err
	}
	if named.APIVersion != monitoring.SchemeGroupVersion.String() {
		return fmt.Errorf("apiVersion is %q", named.APIVersion)
	}
	switch named.Kind {
	case monitoring.ServiceMonitorsKind:
		return yaml.UnmarshalStrict(text, new(monitoring.ServiceMonitor))
	case monitoring.PrometheusRuleKind:
		return yaml.UnmarshalStrict(text, new(monitoring.PrometheusRule))
	}
	return fmt.Errorf("kind is %q", named.Kind)
}
