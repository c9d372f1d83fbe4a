"""Reading `floe.yaml` and `platform.yaml`, in any of their forms: text in, a model or every problem out."""
