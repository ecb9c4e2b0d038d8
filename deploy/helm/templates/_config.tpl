{{/*
Reads gateway.toml: as JSON, {listeners: [{name, port, tls}], management: {port, tls}, drain: seconds, restart: text}.
Refuses what would not work in a pod.
*/}}
{{- define "portcullis.config" -}}
{{- $config := fromToml .Values.config -}}
{{- with $config.Error -}}
{{- fail (printf "config: cannot be read as TOML: %s" .) -}}
{{- end -}}
{{- range list "gateway" "management" "store" "revocation" "telemetry" -}}
{{- if and (hasKey $config .) (not (kindIs "map" (get $config .))) -}}
{{- fail (printf "config: %s is not a table; write [%s]" . .) -}}
{{- end -}}
{{- end -}}
{{- $gateway := default dict $config.gateway -}}
{{- $state := default "state" $gateway.state_dir -}}
{{- if not (regexMatch "^/var/lib/portcullis(/.*)?$" $state) -}}
{{- fail (printf "config: gateway.state_dir is %q; write \"/var/lib/portcullis/state\", for nothing else can be written to" $state) -}}
{{- end -}}
{{- if not $config.listeners -}}
{{- fail "config: there is no listener; write [[listeners]] here, and not in an included file" -}}
{{- end -}}
{{- if not (kindIs "slice" $config.listeners) -}}
{{- fail "config: listeners is not a list; write [[listeners]]" -}}
{{- end -}}
{{- $listeners := list -}}
{{- range $config.listeners -}}
{{- if not (and .name (kindIs "string" .name)) -}}
{{- fail "config: a listener has no name" -}}
{{- end -}}
{{- $name := include "portcullis.portName" .name -}}
{{- $port := include "portcullis.port" (dict "of" (printf "listener %q" .name) "address" .address) | int -}}
{{- $listener := .name -}}
{{- range $listeners -}}
{{- if eq .name $name -}}
{{- fail (printf "config: the ports of the listeners %q and %q would both be called %q; the first 15 of a to z, 0 to 9 and - must differ" .listener $listener $name) -}}
{{- end -}}
{{- if eq .port $port -}}
{{- fail (printf "config: the listeners %q and %q have the same port %d" .listener $listener $port) -}}
{{- end -}}
{{- end -}}
{{- $listeners = append $listeners (dict "name" $name "listener" $listener "port" $port "tls" (not (empty .tls))) -}}
{{- end -}}
{{- if not (hasKey $config "management") -}}
{{- fail "config: there is no [management]; write it with address = \"0.0.0.0:9443\", for probes ask that listener" -}}
{{- end -}}
{{- $address := default "127.0.0.1:9443" $config.management.address -}}
{{- $management := dict "port" (include "portcullis.port" (dict "of" "[management]" "address" $address) | int) "tls" (not (empty $config.management.tls)) -}}
{{- range $listeners -}}
{{- if eq .port $management.port -}}
{{- fail (printf "config: listener %q and [management] have the same port %d" .listener .port) -}}
{{- end -}}
{{- end -}}
{{- $delay := include "portcullis.milliseconds" (dict "of" "gateway.drain_delay" "duration" (default "0s" $gateway.drain_delay)) | int -}}
{{- $timeout := include "portcullis.milliseconds" (dict "of" "gateway.drain_timeout" "duration" (default "20s" $gateway.drain_timeout)) | int -}}
{{- /* the last lines of the access log take two seconds at most, and one is rounding */ -}}
{{- $drain := add (div (add $delay $timeout) 1000) 3 -}}
{{- /* what docs/operations.md says takes effect at the next start */ -}}
{{- $started := pick $gateway "workers" "token_cache_bytes" "state_dir" "name" "dns_servers" -}}
{{- $telemetry := pick (default dict $config.telemetry) "access_log" "traces" "metrics" -}}
{{- $restart := list $started $config.management $config.store (pick (default dict $config.revocation) "notify") $telemetry -}}
{{- dict "listeners" $listeners "management" $management "drain" $drain "restart" ($restart | toJson | sha256sum) | toJson -}}
{{- end -}}

{{/* Returns the port of an address, if others than the pod reach it. */}}
{{- define "portcullis.port" -}}
{{- if not (regexMatch "^(0\\.0\\.0\\.0|\\[::\\]):[0-9]+$" (toString .address)) -}}
{{- fail (printf "config: the address of %s is %q, which nobody outside the pod reaches; write 0.0.0.0:PORT or [::]:PORT" .of (toString .address)) -}}
{{- end -}}
{{- regexFind "[0-9]+$" .address -}}
{{- end -}}

{{/* Returns the name of a listener's port, as Kubernetes wants it. */}}
{{- define "portcullis.portName" -}}
{{- $name := regexReplaceAll "[^a-z0-9]+" (lower .) "-" | trimAll "-" | trunc 15 | trimAll "-" -}}
{{- if not (regexMatch "[a-z]" $name) -}}
{{- fail (printf "config: the name of listener %q has no letter from a to z, which the name of a port needs" .) -}}
{{- end -}}
{{- if eq $name "management" -}}
{{- fail (printf "config: the port of listener %q would be called management, as that of [management] is" .) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* Returns a duration of gateway.toml in milliseconds. */}}
{{- define "portcullis.milliseconds" -}}
{{- if not (regexMatch "^[0-9]+(ms|s|m|h)$" (toString .duration)) -}}
{{- fail (printf "config: %s is %q; write a duration such as \"20s\"" .of (toString .duration)) -}}
{{- end -}}
{{- $unit := regexFind "[a-z]+$" .duration -}}
{{- mul (regexFind "^[0-9]+" .duration) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit) -}}
{{- end -}}
