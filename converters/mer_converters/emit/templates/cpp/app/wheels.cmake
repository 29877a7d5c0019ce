# @generated@
# The runtime's library out of a Python wheel. The wheels of ONNX Runtime and LiteRT have no headers: wheels/ declares
# what the code uses of them.
function(mer_wheel package result)
  execute_process(
    COMMAND "${MER_PYTHON}" -c
      "import importlib.util as u; print(list(u.find_spec('${package}').submodule_search_locations)[0])"
    OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed ERROR_QUIET)
  if(failed)
    message(FATAL_ERROR "${MER_PYTHON} has no ${package}; install it there, or leave MER_PYTHON out for an SDK")
  endif()
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

#if onnx
mer_wheel(onnxruntime place)
file(GLOB libraries "${place}/capi/libonnxruntime.so.*" "${place}/capi/libonnxruntime.*.dylib")
list(GET libraries 0 library)
# The library names itself with its major version alone.
file(CREATE_LINK "${library}" "${CMAKE_BINARY_DIR}/libonnxruntime.so.1" SYMBOLIC)
set(MER_ONNXRUNTIME_LIBRARY "${CMAKE_BINARY_DIR}/libonnxruntime.so.1" CACHE FILEPATH "" FORCE)
set(MER_ONNXRUNTIME_INCLUDE "${CMAKE_CURRENT_SOURCE_DIR}/wheels/onnx" CACHE PATH "" FORCE)
#end
#if tflite
mer_wheel(ai_edge_litert place)
set(LITERT_LIBRARY "${place}/libLiteRt.so" CACHE FILEPATH "" FORCE)
set(LITERT_INCLUDE "${CMAKE_CURRENT_SOURCE_DIR}/wheels/litert" CACHE PATH "" FORCE)
#end
#if executorch
mer_wheel(executorch place)
mer_wheel(torch torch)
execute_process(
  COMMAND "${MER_PYTHON}" -c "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
  OUTPUT_VARIABLE python OUTPUT_STRIP_TRAILING_WHITESPACE)
# The wheel's library is a Python extension, which wants those of Python and torch.
file(GLOB libraries "${place}/extension/pybindings/_portable_lib*.so"
  "${place}/backends/qualcomm/libqnn_executorch_backend.so" "${python}/libpython3.*.so")
foreach(name torch_python torch torch_cpu c10)
  list(APPEND libraries "${torch}/lib/lib${name}.so")
endforeach()
set(MER_EXECUTORCH_LIBRARIES "${libraries}" CACHE STRING "" FORCE)
set(MER_EXECUTORCH_INCLUDE
  "${place}/include;${place}/include/executorch/runtime/core/portable_type/c10" CACHE STRING "" FORCE)
#end
