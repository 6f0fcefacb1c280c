"""Files that are data: built in Python, dumped as YAML or JSON, so that no value can become syntax.

Manifests name the builders; a builder that returns None leaves its file out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from deployadvisor.errors import RenderError
from deployadvisor.render import (
    airgap,
    compose,
    compose_proxy,
    gateway,
    helm,
    kserve,
    kuberay,
    kubernetes,
    kubernetes_monitoring,
    kubernetes_network,
    lws,
    monitoring,
    proof,
    tune,
    tune_tools,
)
from deployadvisor.render.dumping import dump
from deployadvisor.render.view import View

BUILDERS: Mapping[str, Callable[[View], Any]] = {
    "airgap_compose": airgap.compose_file,
    "airgap_registry": airgap.registry,
    "airgap_weights": airgap.weights_list,
    "compose": compose.compose_file,
    "prometheus": monitoring.prometheus,
    "alert_rules": monitoring.alert_rules,
    "dashboard": monitoring.dashboard,
    "grafana_datasource": monitoring.datasource,
    "grafana_dashboards": monitoring.provider,
    "compose_tls": compose_proxy.tls_file,
    "compose_tuned": compose.tuned_file,
    "compose_adapter": compose.adapter_file,
    "gateway_client_package": gateway.client_package,
    "gateway_compose": gateway.compose_file,
    "litellm_config": gateway.litellm_config,
    "helm_engine_policy": helm.engine_policy,
    "helm_kustomization": helm.kustomization,
    "helm_proxy": helm.proxy_deployment,
    "helm_proxy_policy": helm.proxy_policy,
    "helm_router_policy": helm.router_policy,
    "helm_values": helm.values,
    "kserve_group_policy": kserve.group_policy,
    "kserve_kustomization": kserve.kustomization,
    "kserve_llm": kserve.llm_inference_service,
    "kserve_names": kserve.names,
    "kserve_placement": kserve.placement,
    "kserve_predictor": kserve.inference_service,
    "kserve_route": kserve.route,
    "kserve_route_ingress": kserve.route_ingress,
    "kserve_storage": kserve.storage,
    "kserve_worker_preset": kserve.worker_preset,
    "kubernetes_alert_rules": kubernetes_monitoring.alert_rules,
    "kubernetes_deployment": kubernetes.deployment,
    "kubernetes_disruption": kubernetes.disruption_budget,
    "kubernetes_fetch_egress": kubernetes_network.fetch_egress,
    "kubernetes_kustomization": kubernetes.kustomization,
    "kubernetes_network_policy": kubernetes_network.network_policy,
    "kubernetes_placement": kubernetes.placement,
    "kubernetes_pod_monitor": kubernetes_monitoring.pod_monitor,
    "kubernetes_router_monitor": kubernetes_monitoring.router_monitor,
    "kubernetes_scaling": kubernetes.scaling,
    "kubernetes_service": kubernetes_network.service,
    "kubernetes_service_account": kubernetes.service_account,
    "kubernetes_storage": kubernetes.storage,
    "evaluation": proof.evaluation,
    "questions": proof.questions,
    "load_test": proof.load_test,
    "parity": proof.parity,
    "proof_service": proof.service,
    "kuberay_kustomization": kuberay.kustomization,
    "kuberay_names": kuberay.names,
    "kuberay_operator_policy": kuberay.operator_policy,
    "kuberay_placement": kuberay.placement,
    "kuberay_service": kuberay.ray_service,
    "lws_group": lws.leader_worker_set,
    "lws_group_policy": lws.group_policy,
    "lws_kustomization": lws.kustomization,
    "lws_names": lws.names,
    "lws_placement": lws.placement,
    "recipe": tune.recipe,
    "tuned_parity": proof.tuned_parity,
    "examples": tune.examples,
    "llama_factory_data": tune_tools.dataset_info,
    "llama_factory_full": tune_tools.llama_factory_full,
    "llama_factory_lora": tune_tools.llama_factory_lora,
    "llama_factory_merge": tune_tools.llama_factory_merge,
    "llama_factory_qlora": tune_tools.llama_factory_qlora,
    "swift_full": tune_tools.swift_full,
    "swift_lora": tune_tools.swift_lora,
    "swift_merge": tune_tools.swift_merge,
    "swift_qlora": tune_tools.swift_qlora,
}


def build(name: str, path: str, view: View) -> str | None:
    """The text of the data file ``path`` made by builder ``name``."""
    if name not in BUILDERS:
        raise RenderError(f'{path}: no builder "{name}"', allowed=BUILDERS)
    data = BUILDERS[name](view)
    return None if data is None else dump(data, PurePosixPath(path).suffix)
