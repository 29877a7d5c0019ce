@rem @generated@
@rem Runs the Gradle that gradle\wrapper\gradle-wrapper.properties names; fetches it once, and checks its sha256.
@echo off
setlocal
set NAME=gradle-8.11.1
set URL=https://services.gradle.org/distributions/%NAME%-bin.zip
set SUM=f397b287023acdba1e9f6fc5ea72d22dd63669d59ed4a289a29b1a76eee151c6
if "%GRADLE_USER_HOME%"=="" set GRADLE_USER_HOME=%USERPROFILE%\.gradle
set STORE=%GRADLE_USER_HOME%\mer-edge
if exist "%STORE%\%NAME%\bin\gradle.bat" goto run
if not exist "%STORE%" mkdir "%STORE%"
echo fetching %URL%
set ZIP=%STORE%\gradle.zip
powershell -NoProfile -Command "Invoke-WebRequest -UseBasicParsing $env:URL -OutFile $env:ZIP" || exit /b 1
powershell -NoProfile -Command "if ((Get-FileHash $env:ZIP).Hash -ne $env:SUM) { exit 1 }" || goto wrong
powershell -NoProfile -Command "Expand-Archive $env:ZIP $env:STORE -Force" || exit /b 1
del "%ZIP%"
:run
call "%STORE%\%NAME%\bin\gradle.bat" -p "%~dp0." %*
exit /b %ERRORLEVEL%
:wrong
del "%ZIP%"
echo %URL% is not the file that gradle-wrapper.properties names
exit /b 1
