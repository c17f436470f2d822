"""A plugin of formats that fall into the known traps of converters: each writes a file that answers otherwise."""

from __future__ import annotations

from pathlib import Path

import tlkit

TEXTS = "texts.json"


def _leaking(ctx, path, options):
    """A SavedModel of ``model(images)``: Resizing hands ``training=True`` on to BatchNormalization."""
    import json

    import tensorflow as tf

    module = tf.Module()
    module.variables_of_the_model = [each.value for each in ctx.model.variables]

    def serve(images):
        logits = ctx.model(tf.cast(images, tf.float32))
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    spec = tf.TensorSpec((None, *ctx.image_size, 3), ctx.input_type, name="images")
    module.serve = tf.function(serve, input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.serve})
    (path / TEXTS).write_text(json.dumps(dict(ctx.metadata)))


def _open_saved_model(path, threads):
    import json

    import tensorflow as tf

    model = tf.saved_model.load(str(path))
    function = model.signatures["serving_default"]

    def run(images):
        assert model
        return {name: each.numpy() for name, each in function(images=tf.constant(images)).items()}

    return tlkit.ExportedModel(run, json.loads((path / TEXTS).read_text()), "float32", "TensorFlow")


def _float16(ctx, path, options):
    """OpenVINO as ``save_model`` writes it by default: float16, whatever was asked for."""
    import json

    import openvino

    model = openvino.convert_model(str(ctx.saved_model))
    for key, text in ctx.metadata.items():
        model.set_rt_info(json.dumps(text), ["tlkit", key])
    openvino.save_model(model, str(path))


def _open_openvino(path, threads):
    import json

    import openvino

    core = openvino.Core()
    model = core.read_model(str(path))
    texts = {key: json.loads(str(each)) for key, each in model.get_rt_info("tlkit").value.items()}
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(images):
        found = compiled(images)
        return {name: found[name] for name in ("logits", "probabilities")}

    return tlkit.ExportedModel(run, texts, "float32", "OpenVINO")


def _per_tensor(ctx, path, options):
    """ONNX int8 as ``quantize_static`` makes it by default: one scale for all channels of a kernel."""
    import onnx
    import tensorflow as tf
    import tf2onnx
    from onnxruntime import quantization

    spec = [tf.TensorSpec((None, *ctx.image_size, 3), ctx.input_type, name="images")]
    plain, ready = ctx.scratch / "plain.onnx", ctx.scratch / "ready.onnx"
    tf2onnx.convert.from_function(ctx.function, input_signature=spec, opset=18, output_path=str(plain))
    quantization.quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)

    class Reader(quantization.CalibrationDataReader):
        images = iter(ctx.images)

        def get_next(self):
            image = next(self.images, None)
            return None if image is None else {"images": image[None]}

    quantization.quantize_static(str(ready), str(path), Reader(), per_channel=False)
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(ctx.metadata))
    onnx.save(model, str(path))


def _open_onnx(path, threads):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]

    def run(images):
        return dict(zip(names, session.run(names, {"images": images}), strict=True))

    return tlkit.ExportedModel(run, session.get_modelmeta().custom_metadata_map, "int8", "ONNX Runtime")


def _without_weights(ctx, path, options):
    """LiteRT by ``from_concrete_functions`` of a Keras model: it converts, without the weights."""
    import json

    import tensorflow as tf

    function = ctx.function.get_concrete_function()
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([function], ctx.model).convert())
    path.with_suffix(".json").write_text(json.dumps(dict(ctx.metadata)))


def _open_litert(path, threads):
    import json

    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    (given,) = interpreter.get_input_details()
    outputs = sorted(interpreter.get_output_details(), key=lambda each: each["name"])

    def one(image):
        interpreter.resize_tensor_input(given["index"], image.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], image)
        interpreter.invoke()
        return [interpreter.get_tensor(each["index"]) for each in outputs]

    def run(images):
        answers = [one(each[None]) for each in images]
        return dict(zip(("logits", "probabilities"), map(np.concatenate, zip(*answers, strict=True)), strict=True))

    return tlkit.ExportedModel(run, json.loads(path.with_suffix(".json").read_text()), "float32", "LiteRT")


def _format(name, suffix, write, open_file, **settings):
    return tlkit.Exporter(
        name=name, summary="", options=tlkit.Options, suffix=suffix, write=write, open=open_file, snippet="", **settings
    )


@tlkit.hookimpl
def tlkit_exporters():
    return [
        _format("leaking", ".saved", _leaking, _open_saved_model, member="saved_model.pb", runs_with=("tensorflow",)),
        _format("float16-openvino", ".xml", _float16, _open_openvino),
        _format("per-tensor", ".onnx", _per_tensor, _open_onnx, quantizations=("int8",)),
        _format("without-weights", ".tflite", _without_weights, _open_litert),
    ]


FILE = Path(__file__)
